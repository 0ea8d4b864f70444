// What a subcommand is: a file of this room with a function NAME_commands() that CMakeLists.txt
// names, and in it for each subcommand a struct with what it takes, declare() and run(). And what
// several of them take.
#pragma once

#include "app/console/exit_code.hpp"
#include "app/console/program.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/base/time.hpp"
#include "gateway/base/uuid.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

// Prints for people and returns the exit code; what it fails with is printed by whoever calls.
using action = std::function<result<int>()>;

struct command {
    command_text text;
    action (*declare)(option_list& options); // nullptr: a group, of those that follow
};

// Of a struct with declare(option_list&), which binds its members, and run(), which uses them. The
// examples begin behind a line break.
template <class Command>
command subcommand(command_text text)
{
    text.examples.erase(0, 1);
    const auto declare = [](option_list& options) -> action {
        const auto it = std::make_shared<Command>(); // shared by the parser and the action
        it->declare(options);
        return [it] { return it->run(); };
    };
    return {std::move(text), declare};
}

// "spool" of "spool status" and "spool drain", which follow it.
inline command command_group(const char* name, const char* summary)
{
    return {{name, {}, summary, {}}, nullptr};
}

// All of them, in the order of the help. Written by CMakeLists.txt.
std::vector<command> all_commands();

std::string config_meaning(); // for the help

// --config, for commands that work as the daemon does.
void declare_config(option_list& options, std::filesystem::path& config);

// --config and --url, for commands that only ask the database: everybody under a user of their own.
void declare_database(option_list& options, database_options& database);

// A day or a time, UTC.
option declare_time(option_list& options, const std::string& name, std::optional<timestamp>& value,
                    const std::string& meaning);

// --NAME-file and --NAME-env, one of which is needed.
void declare_secret(option_list& options, secret_source& source, const std::string& name,
                    const std::string& what, const std::string& heading);

// Of a delivery, from standard input; a person at a terminal is asked to paste `what`.
result<std::string> read_body(const char* what);

} // namespace gateway
