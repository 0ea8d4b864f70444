#include "gateway/store/embedded_cluster.hpp"
