// The structure, held by a test: who may include whom, which layer owns which library, and that
// CMakeLists.txt builds every file. The compilers and clang-tidy see to the rest.
#include "source_files.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace gateway::test {
namespace {

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
      {"apply", {"database", "write"}},
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
    {"unicode/", {"attentive"}},
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

// A known bug that is not built in is one that no fault test can catch.
TEST(TidyTest, EveryFileThatAsksForAKnownBugIsBuiltIntoTheSabotagedDaemon)
{
    std::stringstream text;
    text << std::ifstream{root / "CMakeLists.txt"}.rdbuf();
    for (const auto& file : all_sources()) {
        const std::string path = shown(file);
        if (path.rfind("src/", 0) != 0 || file.extension() != ".cpp")
            continue;
        std::stringstream source;
        source << std::ifstream{file}.rdbuf();
        if (source.str().find("sabotaged(sabotage::") != std::string::npos) {
            EXPECT_NE(text.str().find(path), std::string::npos) << path;
        }
    }
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
} // namespace gateway::test
