// The rules of style that a reader cannot see at a glance: how long a line, a function and a file
// may be, in each language, what a file opens with, and that a line of the log is explained to
// users.
#include "source_files.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gateway::test {
namespace {

constexpr std::size_t line_length_max = 100;
constexpr std::size_t function_lines_max = 70;
constexpr std::size_t file_lines_max = 400;

std::size_t columns_of(const std::string& line)
{
    const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; // UTF-8: lead bytes
    });
    return static_cast<std::size_t>(columns);
}

TEST(StyleTest, LinesFitTheScreen)
{
    for (const auto& file : all_sources()) {
        std::size_t number = 0;
        for (const auto& line : lines_of(file)) {
            ++number;
            EXPECT_LE(columns_of(line), line_length_max) << shown(file) << ":" << number;
        }
    }
}

TEST(StyleTest, FilesHaveAnEnd)
{
    for (const auto& file : all_sources())
        EXPECT_LE(lines_of(file).size(), file_lines_max) << shown(file);
}

// A body opens with "{" alone at the margin and closes with "}" there: clang-format sees to that.
TEST(StyleTest, FunctionsFitOneScreen)
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
TEST(StyleTest, SqlFitsTheScreenToo)
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

// What opens a body stands at the margin and ends in "{"; "}" at the margin closes it.
TEST(StyleTest, ScriptsFitTheScreenToo)
{
    std::size_t scripts = 0;
    for (const auto& entry : fs::directory_iterator{root / "src/admin/page"}) {
        if (entry.path().extension() != ".js")
            continue;
        ++scripts;
        const auto lines = lines_of(entry.path());
        EXPECT_LE(lines.size(), file_lines_max) << shown(entry.path());
        EXPECT_EQ(lines.front().rfind("//", 0), 0U) << shown(entry.path());
        std::size_t opened = 0;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const std::string& line = lines[i];
            EXPECT_LE(columns_of(line), line_length_max) << shown(entry.path()) << ":" << i + 1;
            if (!line.empty() && line.front() != ' ' && line.back() == '{')
                opened = i;
            if (!line.empty() && line.front() == '}') {
                EXPECT_LE(i - opened + 1, function_lines_max) << shown(entry.path()) << ":" << i;
            }
        }
    }
    EXPECT_GT(scripts, 5U);
}

// Steps stay as they are while functions change: one that calls a function would mean another
// thing on a new database than it did on an old one.
TEST(StyleTest, StepsOfTheSchemaStandOnNoFunction)
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

TEST(StyleTest, FilesOpenWithWhatTheyDecide)
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
TEST(StyleTest, FieldsOfTheLogAreGivenAndExplained)
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

} // namespace
} // namespace gateway::test
