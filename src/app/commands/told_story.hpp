// The story (gateway/demo/story.hpp) told to a gateway: what Attentive's servers would post,
// as bodies to sign and post, and what a shop's own systems would record.
#pragma once

#include "gateway/demo/story.hpp"
#include "gateway/store/record.hpp"

#include <string>
#include <vector>

namespace gateway {

struct told_story {
    std::vector<std::string> posted;      // bodies, oldest first
    std::vector<recorded_event> recorded; // of the shop
};

told_story tell(const std::vector<story_event>& events);

} // namespace gateway
