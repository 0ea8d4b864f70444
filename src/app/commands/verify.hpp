// Why a signature is not the key's, in words for whoever set the sender up.
#pragma once

#include <string>
#include <string_view>

namespace gateway {

// Why `signature` is not the one of `body` under `key`, as far as common mistakes explain it: one
// sentence each, none when there is no explanation. `key_file` is the key as its file has it.
std::string explain_mismatch(std::string_view key, std::string_view key_file,
                             std::string_view signature, std::string_view body);

} // namespace gateway
