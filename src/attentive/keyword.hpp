// What a subscriber's reply asks for, as far as one word tells. The class is for reports; consent
// changes only by Attentive's own unsubscribed events.
#pragma once

#include <string_view>

namespace gateway {

// "stop", "stop_fuzzy" (a stop word among others), "help", "start" or "other", as a picture is.
// Case, accents, punctuation, symbols and white space do not matter. Any thread.
std::string_view keyword_class(std::string_view text);

} // namespace gateway
