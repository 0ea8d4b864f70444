#include "gateway/client/sender.hpp"
