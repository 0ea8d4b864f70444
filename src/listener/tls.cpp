#include "gateway/listener/tls.hpp"
