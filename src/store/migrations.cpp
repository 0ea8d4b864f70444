#include "gateway/store/migrations.hpp"
