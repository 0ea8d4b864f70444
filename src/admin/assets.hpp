// The page's files, which are part of the binary: it works without internet, and nothing can be
// missing on the disk. They hold no data.
#pragma once

#include <string_view>

namespace gateway {

struct asset {
    std::string_view path; // of the request
    std::string_view content_type;
    std::string_view cache_control;
    std::string_view text; // lives as long as the process
};

// The file at `path`, or null.
const asset* find_asset(std::string_view path);

} // namespace gateway
