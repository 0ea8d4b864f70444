#include "gateway/store/writer.hpp"
