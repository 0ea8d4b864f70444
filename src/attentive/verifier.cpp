#include "gateway/attentive/verifier.hpp"
