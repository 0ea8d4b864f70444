// Puts a story into a database the way it comes in: through the real normalizer and writer, and
// gateway.record_event for what the shop recorded.
#pragma once

#include "gateway/demo/story.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace gateway::test {

// Returns how many of Attentive's events were stored anew. Throws when an event got no answer or
// the shop's could not be recorded.
std::size_t store_story(const std::string& url, const std::vector<story_event>& story);

// Lets the projector take all that waits. Throws what libpqxx throws.
void project_all(const std::string& url);

} // namespace gateway::test
