// The sources of this tree, as the rules of style look at them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace gateway::test {

namespace fs = std::filesystem;

inline const fs::path root = GATEWAY_SOURCE_DIR;

inline std::vector<std::string> lines_of(const fs::path& file)
{
    std::ifstream in{file};
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

inline std::vector<fs::path> sources_below(const fs::path& folder)
{
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        const auto extension = entry.path().extension();
        if (extension == ".cpp" || extension == ".hpp")
            files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

inline std::vector<fs::path> sql_below(const fs::path& folder)
{
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        if (entry.path().extension() == ".sql")
            files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

inline std::vector<fs::path> all_sources()
{
    std::vector<fs::path> files;
    for (const char* folder : {"include", "src", "tests"}) {
        const auto below = sources_below(root / folder);
        files.insert(files.end(), below.begin(), below.end());
    }
    return files;
}

inline std::string shown(const fs::path& file)
{
    return fs::relative(file, root).string();
}

// "store" for src/store/x.cpp and include/gateway/store/x.hpp, empty for src/main.cpp.
inline std::string layer_of(const fs::path& file)
{
    const std::string path = shown(file);
    static const std::regex pattern{"^(?:src|include/gateway)/([a-z]+)/.*"};
    std::smatch match;
    return std::regex_match(path, match, pattern) ? match[1].str() : std::string{};
}

inline std::string included_by(const std::string& line)
{
    static const std::regex pattern{R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*)"};
    std::smatch match;
    return std::regex_match(line, match, pattern) ? match[1].str() : std::string{};
}

inline std::string text_of(const fs::path& file)
{
    std::stringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str();
}

} // namespace gateway::test
