// The rules of style that a reader cannot see at a glance, held by a test: who may include whom,
// which layer owns which library, how long a line and a function may be, and that CMakeLists.txt
// builds every file. Text rules only; the compilers and clang-tidy see to the rest.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path root = GATEWAY_SOURCE_DIR;

constexpr std::size_t line_length_max = 100;
constexpr std::size_t function_lines_max = 70;
constexpr std::size_t file_lines_max = 400;

// What stands to a layer's right; siblings never meet.
const std::map<std::string, std::set<std::string>> layers_below = {
    {"base", {}},
    {"model", {"base"}},
    {"attentive", {"model", "base"}},
    {"store", {"model", "base"}},
    {"demo", {"attentive", "model", "base"}},
    {"ingest", {"attentive", "store", "model", "base"}},
    {"listener", {"model", "base"}},
    {"admin", {"base"}},
    {"client", {"demo", "attentive", "model", "base"}},
    {"app",
     {"listener", "admin", "client", "demo", "ingest", "attentive", "store", "model", "base"}},
};

// Layers that are too large for one: which rooms of its layer a room may include. A layer's own
// directory holds at most one source, above all of its rooms.
const std::map<std::string, std::map<std::string, std::set<std::string>>> rooms_below = {
    {"store",
     {{"database", {}},
      {"spool", {}},
      {"cluster", {"database"}},
      {"write", {"database", "spool"}},
      {"read", {"database", "write"}}}},
    {"app",
     {{"console", {}},
      {"config", {"console"}},
      {"daemon", {"config", "console"}},
      {"commands", {"daemon", "config", "console"}}}},
};

struct library_rule {
    std::string include_prefix;
    std::set<std::string> owners;
};

// Which layers, or which one file, may include a library at all.
const std::vector<library_rule> library_owners = {
    {"boost/outcome", {"base"}},
    {"boost/url", {"attentive", "client", "app"}},
    {"boost/asio", {"listener", "admin", "client", "app"}},
    {"boost/beast", {"listener", "admin", "client"}},
    {"nlohmann/", {"attentive", "admin", "client", "app"}},
    {"pqxx/", {"store"}},
    {"libpq-fe", {"store"}},
    {"sqlite3", {"store"}},
    {"spdlog/", {"base", "app"}},
    {"fmt/", {"listener", "app"}},
    {"toml++/", {"app"}},
    {"CLI/", {"src/app/console/program.cpp"}}, // seven seconds to compile
    {"systemd/", {"app"}},
    {"prometheus/", {"base"}},
    {"openssl/", {"base", "listener", "client"}},
};

// Headers that cost seconds to compile: in .cpp files only.
const std::vector<std::string> heavy_includes = {
    "boost/asio", "boost/beast", "fmt/", "nlohmann/json.hpp", "pqxx/", "regex", "spdlog/"};

// But for those that take or return Asio's own types: for whoever composes the process.
const std::set<std::string> asio_headers = {"include/gateway/admin/admin.hpp",
                                            "include/gateway/listener/address.hpp",
                                            "include/gateway/listener/listener.hpp"};

std::vector<std::string> lines_of(const fs::path& file)
{
    std::ifstream in{file};
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

std::vector<fs::path> sources_below(const fs::path& folder)
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

std::vector<fs::path> sql_below(const fs::path& folder)
{
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{folder}) {
        if (entry.path().extension() == ".sql")
            files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<fs::path> all_sources()
{
    std::vector<fs::path> files;
    for (const char* folder : {"include", "src", "tests"}) {
        const auto below = sources_below(root / folder);
        files.insert(files.end(), below.begin(), below.end());
    }
    return files;
}

std::string shown(const fs::path& file)
{
    return fs::relative(file, root).string();
}

// "store" for src/store/x.cpp and include/gateway/store/x.hpp, empty for src/main.cpp.
std::string layer_of(const fs::path& file)
{
    const std::string path = shown(file);
    static const std::regex pattern{"^(?:src|include/gateway)/([a-z]+)/.*"};
    std::smatch match;
    return std::regex_match(path, match, pattern) ? match[1].str() : std::string{};
}

std::string included_by(const std::string& line)
{
    static const std::regex pattern{R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*)"};
    std::smatch match;
    return std::regex_match(line, match, pattern) ? match[1].str() : std::string{};
}

std::string layer_included(const std::string& include)
{
    static const std::regex pattern{"^(?:gateway/)?([a-z]+)/(?:[a-z]+/)?[a-z0-9_]+\\.hpp$"};
    std::smatch match;
    if (!std::regex_match(include, match, pattern) || !layers_below.count(match[1].str()))
        return {};
    return match[1].str();
}

TEST(TidyTest, ALayerIncludesOnlyWhatStandsToItsRight)
{
    for (const auto& file : all_sources()) {
        const std::string layer = layer_of(file);
        if (!layers_below.count(layer))
            continue;
        for (const auto& line : lines_of(file)) {
            const std::string target = layer_included(included_by(line));
            if (target.empty() || target == layer)
                continue;
            EXPECT_TRUE(layers_below.at(layer).count(target))
                << shown(file) << " includes " << target << ": " << line;
        }
    }
}

// "write" for src/store/write/x.cpp or "store/write/x.hpp"; empty for what is in no room.
std::string room_of(const std::string& path, const std::string& layer)
{
    static const std::regex pattern{"^(?:src/)?([a-z]+)/([a-z]+)/[a-z0-9_]+\\.[ch]pp$"};
    std::smatch match;
    return std::regex_match(path, match, pattern) && match[1] == layer ? match[2].str()
                                                                       : std::string{};
}

TEST(TidyTest, ARoomIncludesOnlyWhatStandsBelowIt)
{
    for (const auto& [layer, rooms] : rooms_below) {
        std::size_t outside = 0;
        for (const auto& file : sources_below(root / "src" / layer)) {
            const std::string room = room_of(shown(file), layer);
            outside += room.empty() ? 1 : 0;
            if (room.empty())
                continue;
            ASSERT_TRUE(rooms.count(room)) << shown(file);
            for (const auto& line : lines_of(file)) {
                const std::string target = room_of(included_by(line), layer);
                if (target.empty() || target == room)
                    continue;
                EXPECT_TRUE(rooms.at(room).count(target))
                    << shown(file) << " includes " << target << ": " << line;
            }
        }
        EXPECT_LE(outside, 1U) << "src/" << layer << " has sources outside of its rooms";
    }
}

TEST(TidyTest, AHeaderOfALayerIsUsedByAnother)
{
    std::set<std::string> used;
    for (const auto& file : all_sources()) {
        const std::string layer = layer_of(file);
        if (layer.empty() && file.filename() != "main.cpp")
            continue; // a test may look into any layer
        for (const auto& line : lines_of(file)) {
            const std::string include = included_by(line);
            if (include.rfind("gateway/", 0) == 0 && layer_included(include) != layer)
                used.insert(include);
        }
    }
    for (const auto& file : sources_below(root / "include")) {
        const std::string name = fs::relative(file, root / "include").string();
        EXPECT_TRUE(used.count(name)) << name << " belongs into src/" << layer_of(file);
    }
}

TEST(TidyTest, ALibraryIsIncludedOnlyByTheLayersThatOwnIt)
{
    for (const auto& file : all_sources()) {
        const std::string layer = layer_of(file);
        if (layer.empty())
            continue;
        for (const auto& line : lines_of(file)) {
            const std::string include = included_by(line);
            for (const auto& rule : library_owners) {
                if (include.rfind(rule.include_prefix, 0) == 0) {
                    EXPECT_TRUE(rule.owners.count(layer) || rule.owners.count(shown(file)))
                        << shown(file) << ": " << line;
                }
            }
        }
    }
}

TEST(TidyTest, OnlyResultNamesOutcome)
{
    for (const char* folder : {"include", "src"}) {
        for (const auto& file : sources_below(root / folder)) {
            for (const auto& line : lines_of(file)) {
                EXPECT_TRUE(line.find("outcome_v2") == std::string::npos ||
                            file.filename() == "result.hpp")
                    << shown(file) << ": " << line;
            }
        }
    }
}

TEST(TidyTest, HeavyHeadersStayOutOfHeaders)
{
    for (const auto& file : sources_below(root / "include")) {
        for (const auto& line : lines_of(file)) {
            const std::string include = included_by(line);
            for (const auto& heavy : heavy_includes) {
                const bool allowed = heavy == "boost/asio" && asio_headers.count(shown(file)) != 0;
                EXPECT_TRUE(allowed || include.rfind(heavy, 0) != 0) << shown(file) << ": " << line;
            }
        }
    }
}

TEST(TidyTest, LinesFitTheScreen)
{
    for (const auto& file : all_sources()) {
        std::size_t number = 0;
        for (const auto& line : lines_of(file)) {
            ++number;
            const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
                return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; // UTF-8: lead bytes
            });
            EXPECT_LE(static_cast<std::size_t>(columns), line_length_max)
                << shown(file) << ":" << number;
        }
    }
}

// A body opens with "{" alone at the margin and closes with "}" there: clang-format sees to that.
TEST(TidyTest, FunctionsFitOneScreen)
{
    for (const auto& file : all_sources()) {
        std::size_t number = 0;
        std::size_t opened = 0;
        for (const auto& line : lines_of(file)) {
            ++number;
            if (line == "{")
                opened = number;
            if (line == "}" && opened != 0) {
                EXPECT_LE(number - opened + 1, function_lines_max) << shown(file) << ":" << opened;
                opened = 0;
            }
        }
    }
}

// A body stands between lines that end in "$$" or are "BEGIN ATOMIC", and "... $$;" or "END;".
TEST(TidyTest, SqlFitsTheScreenToo)
{
    for (const auto& file : sql_below(root / "src/store/sql")) {
        const auto lines = lines_of(file);
        EXPECT_LE(lines.size(), file_lines_max) << shown(file);
        EXPECT_EQ(lines.front().rfind("--", 0), 0U) << shown(file) << " does not say what it is";
        std::size_t opened = 0;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const std::string& line = lines[i];
            EXPECT_LE(line.size(), line_length_max) << shown(file) << ":" << i + 1;
            if (opened == 0 && std::regex_search(line, std::regex{"AS \\$\\$$|^BEGIN ATOMIC$"})) {
                opened = i + 1;
            } else if (std::regex_search(line, std::regex{"\\$\\$;$|^END;$"}) && opened != 0) {
                EXPECT_LE(i - opened, function_lines_max) << shown(file) << ":" << opened;
                opened = 0;
            }
        }
        EXPECT_EQ(opened, 0U) << shown(file);
    }
}

// Steps stay as they are while functions change: one that calls a function would mean another
// thing on a new database than it did on an old one.
TEST(TidyTest, StepsOfTheSchemaStandOnNoFunction)
{
    std::string steps;
    std::set<std::string> functions;
    for (const auto& file : sql_below(root / "src/store/sql")) {
        const bool is_step = file.parent_path().filename() == "steps";
        for (const auto& line : lines_of(file)) {
            if (is_step)
                steps += line + '\n';
            const std::regex made{
                "CREATE OR REPLACE (?:FUNCTION|VIEW) ((?:gateway|report)[.a-z_]+)"};
            std::smatch match;
            if (std::regex_search(line, match, made)) {
                EXPECT_FALSE(is_step) << shown(file) << ": " << line;
                functions.insert(match[1]);
            }
        }
    }
    EXPECT_GT(functions.size(), 50U);
    for (const auto& name : functions)
        EXPECT_EQ(steps.find(name + "("), std::string::npos) << name;
}

TEST(TidyTest, FilesOpenWithWhatTheyDecide)
{
    for (const auto& file : all_sources()) {
        const auto lines = lines_of(file);
        ASSERT_FALSE(lines.empty()) << shown(file);
        const auto name = file.filename().replace_extension(".hpp");
        const bool header_says_it = file.extension() == ".cpp" &&
                                    (fs::exists(root / "include/gateway" / layer_of(file) / name) ||
                                     fs::exists(file.parent_path() / name));
        if (!header_says_it) {
            EXPECT_EQ(lines.front().rfind("//", 0), 0U) << shown(file);
        }
    }
}

// The call that begins at `from`, to its closing parenthesis.
std::string call_at(const std::string& text, std::size_t from)
{
    std::size_t depth = 0;
    for (std::size_t i = text.find('(', from); i < text.size(); ++i) {
        depth += text[i] == '(' ? 1 : 0;
        depth -= text[i] == ')' ? 1 : 0;
        if (depth == 0)
            return text.substr(from, i + 1 - from);
    }
    return {};
}

std::set<std::string> found_in(const std::string& text, const std::string& pattern)
{
    const std::regex wanted{pattern};
    std::set<std::string> found;
    for (std::sregex_iterator i{text.begin(), text.end(), wanted}, end; i != end; ++i)
        found.insert((*i)[1]);
    return found;
}

// A sentence names only fields that its line has, and users read of each field.
TEST(TidyTest, FieldsOfTheLogAreGivenAndExplained)
{
    std::stringstream readme;
    readme << std::ifstream{root / "README.md"}.rdbuf();
    std::size_t calls = 0;
    for (const auto& file : sources_below(root / "src")) {
        std::stringstream source;
        source << std::ifstream{file}.rdbuf();
        const std::string text = source.str();
        for (auto at = text.find("write_log"); at != std::string::npos;
             at = text.find("write_log", at + 1), ++calls) {
            const std::string call = call_at(text, at);
            const auto given = found_in(call, R"re(\{"([a-z0-9_.]+)",)re");
            for (const auto& name : found_in(call, R"(\{([a-z]+[a-z0-9_.]*)\})"))
                EXPECT_TRUE(given.count(name)) << shown(file) << ": no field " << name;
            for (const auto& name : given)
                EXPECT_NE(readme.str().find("`" + name + "`"), std::string::npos)
                    << "README.md does not explain " << name;
        }
    }
    EXPECT_GT(calls, 50U);
}

TEST(TidyTest, WhatIsKeptFromThreadSanitizerStartsNoThread)
{
    std::stringstream text;
    text << std::ifstream{root / "CMakeLists.txt"}.rdbuf();
    const std::string cmake = text.str();
    const auto begin = cmake.find("NOT_UNDER_TSAN", cmake.find("gateway_test(unit"));
    ASSERT_NE(begin, std::string::npos);
    std::istringstream listed{cmake.substr(begin, cmake.find(')', begin) - begin)};
    std::size_t files = 0;
    for (std::string name; listed >> name;) {
        if (!name.ends_with("_test.cpp"))
            continue;
        ++files;
        for (const auto& line : lines_of(root / "tests/unit" / name)) {
            for (const char* sign : {"<thread>", "<atomic>", "<mutex>", "<future>", "worker.hpp"})
                EXPECT_EQ(included_by(line).empty() || line.find(sign) == std::string::npos, true)
                    << name << ": " << line;
        }
    }
    EXPECT_GT(files, 20U);
}

TEST(TidyTest, CmakeBuildsEverySource)
{
    std::stringstream text;
    text << std::ifstream{root / "CMakeLists.txt"}.rdbuf();
    for (const auto& file : all_sources()) {
        if (file.extension() != ".cpp")
            continue;
        const std::string path = shown(file);
        std::string listed = path; // as CMakeLists.txt names it: below its layer or label
        for (const std::string label : {"tests/unit/", "tests/integration/", "tests/e2e/"}) {
            if (path.rfind(label, 0) == 0)
                listed = path.substr(label.size());
        }
        if (!layer_of(file).empty())
            listed = fs::relative(file, root / "src" / layer_of(file)).string();
        const std::regex whole_name{
            "[\\s/]" + std::regex_replace(listed, std::regex{"\\."}, "\\.") + "[\\s)]"};
        EXPECT_TRUE(std::regex_search(text.str(), whole_name)) << path << " is not built";
    }
}

TEST(TidyTest, CmakeEmbedsEverySqlFile)
{
    std::stringstream text;
    text << std::ifstream{root / "CMakeLists.txt"}.rdbuf();
    for (const auto& file : sql_below(root / "src/store/sql")) {
        auto name = fs::relative(file, root / "src/store/sql").replace_extension();
        if (name.begin()->string() == "steps")
            name = name.filename();
        const std::regex whole_name{"[\\s(]" + name.string() + "[\\s)]"};
        EXPECT_TRUE(std::regex_search(text.str(), whole_name)) << shown(file) << " is not applied";
    }
}

} // namespace
