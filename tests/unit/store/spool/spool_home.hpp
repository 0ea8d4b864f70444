// A spool of a test's own, in a directory that goes with the test.
#pragma once

#include "gateway/store/spool.hpp"
#include "support/process.hpp"
#include "support/spool_events.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace gateway::test {

class spool_home : public testing::Test {
protected:
    spool_home() { spdlog::set_level(spdlog::level::off); }
    ~spool_home() override { spdlog::set_level(spdlog::level::info); }

    spool_settings settings(std::uint64_t file_bytes_max = 64U << 20U) const
    {
        spool_settings s;
        s.directory = home / "spool";
        s.file_bytes_max = file_bytes_max;
        s.any_file_system = true; // the temporary directory may well be a tmpfs
        return s;
    }

    std::set<std::string> names() const
    {
        std::set<std::string> out;
        for (const auto& entry : std::filesystem::directory_iterator{home / "spool"})
            out.insert(entry.path().filename().string());
        return out;
    }

    temporary_directory home;
};

inline std::vector<int> sequence(int first, int end)
{
    const auto numbers = range(first, end);
    return {numbers.begin(), numbers.end()};
}

} // namespace gateway::test
