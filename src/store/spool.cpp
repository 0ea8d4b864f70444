#include "gateway/store/spool.hpp"
