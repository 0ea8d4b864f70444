// Small files that a person wrote: configuration, secrets, certificates, bodies. Read whole, with
// a limit, and with failures said in words that name the file.
#pragma once

#include "gateway/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <string>

namespace gateway {

// The bytes of `file`, at most `bytes_max`. Fails with io_failed: "/etc/x: No such file or
// directory", "/etc: is a directory", "/etc/x: larger than 4KiB".
result<std::string> read_file(const std::filesystem::path& file, std::size_t bytes_max);

// The same from the process's standard input, to its end.
result<std::string> read_standard_input(std::size_t bytes_max);

} // namespace gateway
