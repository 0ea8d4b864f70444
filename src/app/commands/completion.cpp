// `completion`: what makes a shell complete subcommands and options.
#include "app/console/completion.hpp"

#include "app/commands/command.hpp"
#include "app/console/print.hpp"

namespace gateway {
namespace {

struct completion_command {
    std::string shell;
    const program* whole = nullptr;

    void declare(option_list& options)
    {
        whole = &options.whole();
        options.value("SHELL", shell, "", "bash, zsh or fish")
            .required()
            .one_of({"bash", "zsh", "fish"});
    }

    result<int> run() const
    {
        print_text(completion_script(whole->offered(), shell));
        return exit_ok;
    }
};

} // namespace

std::vector<command> completion_commands()
{
    return {subcommand<completion_command>(
        {"completion", "bash|zsh|fish",
         "Print what makes your shell complete subcommands and options",
         R"(
The package installs all three.

Example:
  source <(attentive-gateway completion bash)
)"})};
}

} // namespace gateway
