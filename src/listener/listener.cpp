#include "gateway/listener/listener.hpp"
