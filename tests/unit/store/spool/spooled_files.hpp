// Files of a spool as bytes, to be damaged: of one that was closed, and of one whose process was
// killed.
#pragma once

#include "gateway/store/spool.hpp"
#include "support/process.hpp"
#include "support/spool_events.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

namespace gateway::test {

inline constexpr int events = 300;
inline constexpr int long_events = 4; // each over several pages
inline const std::string first_file = "spool-000000000001.db";

using file_set = std::map<std::string, std::string>; // name to bytes

inline file_set files_of(const std::filesystem::path& directory)
{
    file_set out;
    for (const auto& entry : std::filesystem::directory_iterator{directory}) {
        const std::string name = entry.path().filename().string();
        if (name != "spool.lock")
            out[name] = read_file(entry.path());
    }
    return out;
}

inline void put_files(const std::filesystem::path& directory, const file_set& files)
{
    std::filesystem::create_directories(directory);
    for (const auto& [name, bytes] : files)
        write_file(directory / name, bytes);
}

inline spool_settings damage_settings(const std::filesystem::path& directory)
{
    spool_settings s;
    s.directory = directory;
    s.any_file_system = true;
    return s;
}

inline void append_all(spool& s)
{
    for (int i = 0; i < events; i += 50)
        EXPECT_TRUE(append_numbers(s, i, 50));
    EXPECT_TRUE(append_numbers(s, events, long_events, 20'000));
}

// One file with everything in the database and nothing in the WAL.
inline const file_set& closed_files()
{
    static const file_set files = [] {
        const memory_directory home;
        {
            auto s = spool::open(damage_settings(home / "spool")).value();
            append_all(s);
        }
        file_set out = files_of(home / "spool");
        out.erase(first_file + "-wal");
        return out;
    }();
    return files;
}

// As a killed process leaves it: everything in the WAL.
inline const file_set& crashed_files()
{
    static const file_set files = [] {
        const memory_directory home;
        const pid_t child = ::fork();
        if (child == 0) {
            auto s = spool::open(damage_settings(home / "spool")).value();
            append_all(s);
            ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
        return files_of(home / "spool");
    }();
    return files;
}

} // namespace gateway::test
