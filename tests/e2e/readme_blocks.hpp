// README's fenced blocks, as a reader finds them.
#pragma once

#include "support/process.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace gateway::test {

struct block {
    std::string language; // as after the fence; may be empty
    std::string text;     // without the fence's indentation
};

// As psql prints one.
inline bool is_table(const block& b)
{
    return b.language.empty() && b.text.find("-+-") != std::string::npos;
}

inline std::vector<std::string> lines_of(const std::string& text)
{
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

inline std::vector<block> blocks()
{
    std::vector<block> found;
    bool inside = false;
    std::size_t indentation = 0;
    for (const auto& line :
         lines_of(read_file(std::filesystem::path{GATEWAY_SOURCE_DIR} / "README.md"))) {
        const auto at = line.find("```");
        const bool fence = at != std::string::npos && line.find_first_not_of(' ') == at;
        if (fence && !inside) {
            indentation = at;
            found.push_back({line.substr(at + 3), ""});
        } else if (!fence && inside) {
            found.back().text += line.substr(std::min(indentation, line.size())) + "\n";
        }
        inside = inside != fence;
    }
    return found;
}

// The only block that begins so.
inline std::string block_of(const std::string& beginning)
{
    std::vector<std::string> found;
    for (const auto& b : blocks()) {
        if (b.text.starts_with(beginning))
            found.push_back(b.text);
    }
    if (found.size() != 1)
        throw std::runtime_error{std::to_string(found.size()) + " blocks begin with " + beginning};
    return found.front();
}

inline void replace_all(std::string& text, const std::string& what, const std::string& with)
{
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
}

} // namespace gateway::test
