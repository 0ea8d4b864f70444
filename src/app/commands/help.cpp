// `help`: what --help says, for whoever begins with the word.
#include "app/commands/command.hpp"
#include "app/console/print.hpp"

namespace gateway {
namespace {

struct help_command {
    std::vector<std::string> words; // of a subcommand's name
    const program* whole = nullptr;

    void declare(option_list& options)
    {
        whole = &options.whole();
        options.values("SUBCOMMAND", words, "", "Which one's");
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto text, whole->help(words));
        print_text(text);
        return exit_ok;
    }
};

} // namespace

std::vector<command> help_commands()
{
    return {subcommand<help_command>(
        {"help", "[SUBCOMMAND]", "Print this overview, or the options and examples of a subcommand",
         R"(
Example:
  attentive-gateway help spool status
)"})};
}

} // namespace gateway
