#include "gateway/attentive/samples.hpp"
