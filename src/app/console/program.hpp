// The command line as a tree of subcommands with their options: what it takes, its help, what it
// says of a wrong word, and what a shell may offer. The one place that knows CLI11: a file that
// includes it takes seven seconds to compile.
#pragma once

#include "gateway/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace gateway {

// One declared option; each call says one more thing of it.
class option {
public:
    explicit option(CLI::Option* declared) : option_(declared) {}

    option required() const;
    option excludes(const option& other) const;
    // Anything else is a usage error. std::uint64_t and double.
    template <class T>
    option between(T least, T most) const;
    option one_of(const std::vector<std::string>& words) const; // offered by shells, too
    option offers(const std::vector<std::string>& words) const; // by shells; others are taken

    std::string name() const; // "--config"

private:
    CLI::Option* option_;
};

class program;

inline constexpr const char* usual_heading = "Options";

// What one subcommand takes. A name is "--config", or "URL" for a word that stands by itself, or
// "FILE,--config" for either. `type` is what the help calls the value: a FILE or DIR is completed
// as one. Values have to live as long as the program.
class option_list {
public:
    option_list(const program& whole, CLI::App& app) : whole_(whole), app_(app) {}

    // Below which the help shows the options that follow.
    void heading(const std::string& text) { heading_ = text; }

    option flag(const std::string& name, bool& value, const std::string& meaning);
    // std::string, std::uint64_t, double, std::filesystem::path, and std::optional of that.
    template <class T>
    option value(const std::string& name, T& value, const std::string& type,
                 const std::string& meaning);
    // May be repeated; with a delimiter also in one word.
    option values(const std::string& name, std::vector<std::string>& values,
                  const std::string& type, const std::string& meaning, char delimiter = '\0');
    // What `take` refuses is a usage error, in the words of `expected`.
    option taken(const std::string& name, std::function<bool(const std::string&)> take,
                 std::string expected, const std::string& type, const std::string& meaning);
    // As `read` reads it: nothing for what is wrong.
    template <class T, class Read>
    option parsed(const std::string& name, T& value, Read read, std::string expected,
                  const std::string& type, const std::string& meaning)
    {
        const auto take = [&value, read](const std::string& text) {
            const auto found = read(text);
            if (found)
                value = *found;
            return found.has_value();
        };
        return taken(name, take, std::move(expected), type, meaning);
    }

    // A usage error without any of them. Once for a subcommand.
    void need_one_of(const std::vector<option>& choices);

    // Below the examples in the help.
    void explain(const std::string& text);

    const program& whole() const { return whole_; }

private:
    option below_heading(CLI::Option* declared) const;

    const program& whole_;
    CLI::App& app_;
    std::string heading_ = usual_heading;
};

// For shells to offer.
enum class value_kind { none, file, directory, words, free };

struct offered_option {
    std::string name; // "--config"
    std::string meaning;
    value_kind value = value_kind::none;
    std::vector<std::string> words; // to choose from
};

struct offered_command {
    std::string name; // "spool status"; empty: the program itself
    std::string meaning;
    std::vector<std::string> subcommands;
    std::vector<offered_option> options;
    bool takes_file = false; // beside options
};

// What a subcommand says of itself.
struct command_text {
    std::string name;     // "spool status": a subcommand of the group "spool"
    std::string usage;    // what follows the name
    std::string summary;  // in one line
    std::string examples; // shown below the options
};

class program {
public:
    program(std::string name, const std::string& meaning, const std::string& version,
            const std::string& overview);
    ~program();
    program(const program&) = delete;
    program& operator=(const program&) = delete;

    // Of subcommands that begin with the same word; before the first of them.
    void add_group(const std::string& name, const std::string& summary);
    option_list add(const command_text& text, std::function<void()> chosen);

    // Calls `chosen` of the subcommand that was typed and returns nothing. Otherwise it has printed
    // help, or what is wrong, and says whether that was what was asked for.
    std::optional<bool> parse(int argc, const char* const* argv);

    // Of the program itself, or of the subcommand that `words` name. Fails with config_invalid.
    result<std::string> help(const std::vector<std::string>& words) const;

    std::vector<offered_command> offered() const;

private:
    std::unique_ptr<CLI::App> app_;
};

} // namespace gateway
