// The binary at the shell, in a directory with files of the test's own.
#pragma once

#include "gateway/listener/tls.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace gateway::test {

inline run_result run_gateway(std::vector<std::string> arguments, const std::string& input = {})
{
    arguments.insert(arguments.begin(), GATEWAY_BINARY);
    return run(arguments, {.input = input, .environment = {}});
}

class command_line_test : public testing::Test {
protected:
    void SetUp() override { std::filesystem::create_directory(directory_); }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::string file(const std::string& name, const std::string& content,
                     std::filesystem::perms allowed = std::filesystem::perms::owner_read |
                                                      std::filesystem::perms::owner_write) const
    {
        const auto path = directory_ / name;
        std::ofstream{path, std::ios::binary} << content;
        std::filesystem::permissions(path, allowed);
        return path.string();
    }

    std::filesystem::path directory_ = std::filesystem::temp_directory_path() /
                                       ("command-line-test-" + std::to_string(::getpid()));
};

inline const std::string key = "0123456789abcdef";

} // namespace gateway::test
