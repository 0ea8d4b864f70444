// Files that tests read: fixtures of this repository, and the public corpora, which stand beside
// it or nowhere. Tests that need a corpus skip, saying so, where it is absent.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace gateway {

// The bytes of `file`; empty when it cannot be read.
inline std::string file_text(const std::filesystem::path& file)
{
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

// Where the corpora stand: $GATEWAY_CORPORA, else ../shared/corpora beside the sources.
inline std::filesystem::path corpora()
{
    const char* configured = std::getenv("GATEWAY_CORPORA");
    return configured != nullptr ? std::filesystem::path{configured}
                                 : std::filesystem::path{GATEWAY_SOURCE_DIR} / "../shared/corpora";
}

} // namespace gateway

// Leaves the test as skipped when `path` does not exist.
#define GATEWAY_SKIP_WITHOUT(path)                                                                 \
    if (!std::filesystem::exists(path))                                                            \
    GTEST_SKIP() << "no corpus at " << (path) << "; set GATEWAY_CORPORA to run this test"
