#include "gateway/attentive/normalizer.hpp"
