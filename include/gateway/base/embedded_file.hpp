// A file whose text is part of the binary: what CMake's gateway_embed() makes.
#pragma once

#include <string_view>

namespace gateway {

struct embedded_file {
    std::string_view name; // without its ending: "0001_event_log", "write/write_batch"
    std::string_view text; // lives as long as the process
};

} // namespace gateway
