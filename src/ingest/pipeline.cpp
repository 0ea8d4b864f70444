#include "gateway/ingest/pipeline.hpp"
