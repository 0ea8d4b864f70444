#include "gateway/app/config.hpp"
