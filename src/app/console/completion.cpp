// Each script finds the subcommand among the words before the cursor and then offers by a table:
// what may follow the last word if that is an option with a value, else subcommands and options.
#include "app/console/completion.hpp"

#include "gateway/base/encoding.hpp"

#include <fmt/format.h>

namespace gateway {
namespace {

std::string offered_words(const offered_command& c)
{
    std::vector<std::string> words = c.subcommands;
    for (const auto& option : c.options)
        words.push_back(option.name);
    return fmt::format("{}", fmt::join(words, " "));
}

std::string words_of(const offered_option& option)
{
    return fmt::format("{}", fmt::join(option.words, " "));
}

// The pattern of a case that knows each subcommand behind the one before: " spool"|"spool status".
std::string known_paths(const std::vector<offered_command>& commands)
{
    std::vector<std::string> patterns;
    for (const auto& c : commands) {
        const auto blank = c.name.find(' ');
        if (!c.name.empty())
            patterns.push_back(blank == std::string::npos ? "' " + c.name + "'"
                                                          : "'" + c.name + "'");
    }
    return fmt::format("{}", fmt::join(patterns, "|"));
}

// `offer` says how the shell is told: of files, directories, words.
template <class Offer>
std::string cases(const std::vector<offered_command>& commands, const std::string& indent,
                  const Offer& offer)
{
    std::string out = indent + "case \"$command $previous\" in\n";
    for (const auto& c : commands) {
        for (const auto& option : c.options) {
            if (option.value != value_kind::none)
                out += indent + "'" + c.name + " " + option.name + "') " +
                       offer(option.value, words_of(option)) + " return ;;\n";
        }
    }
    out += indent + "esac\n" + indent + "case \"$command\" in\n";
    for (const auto& c : commands)
        out += indent + "'" + c.name + "') " + offer(value_kind::words, offered_words(c)) +
               (c.takes_file ? " " + offer(value_kind::file, "") : "") + " ;;\n";
    return out + indent + "esac\n";
}

std::string bash_script(const std::vector<offered_command>& commands)
{
    const auto offer = [](value_kind kind, const std::string& words) -> std::string {
        const std::string files =
            "compopt -o filenames 2> /dev/null; IFS=$'\\n'; COMPREPLY+=($(compgen ";
        switch (kind) {
        case value_kind::file: return files + "-f -- \"$current\"));";
        case value_kind::directory: return files + "-d -- \"$current\"));";
        case value_kind::words:
            return "COMPREPLY+=($(compgen -W '" + words + "' -- \"$current\"));";
        case value_kind::none:
        case value_kind::free: break;
        }
        return ":;";
    };
    return "# bash completion of attentive-gateway, written by attentive-gateway completion bash\n"
           "_attentive_gateway() {\n"
           "    local IFS=$' \\t\\n' current=${COMP_WORDS[COMP_CWORD]} command= i\n"
           "    local previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    COMPREPLY=()\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case \"$command ${COMP_WORDS[i]}\" in\n"
           "        " +
           known_paths(commands) +
           ")\n"
           "            command=${command:+$command }${COMP_WORDS[i]} ;;\n"
           "        esac\n"
           "    done\n" +
           cases(commands, "    ", offer) +
           "}\n"
           "complete -F _attentive_gateway attentive-gateway\n";
}

std::string zsh_script(const std::vector<offered_command>& commands)
{
    const auto offer = [](value_kind kind, const std::string& words) -> std::string {
        switch (kind) {
        case value_kind::file: return "_files;";
        case value_kind::directory: return "_files -/;";
        case value_kind::words: return "compadd -- " + words + ";";
        case value_kind::none:
        case value_kind::free: break;
        }
        return ":;";
    };
    return "#compdef attentive-gateway\n"
           "# Written by attentive-gateway completion zsh\n"
           "_attentive-gateway() {\n"
           "    local command= previous=$words[CURRENT-1] i\n"
           "    for ((i = 2; i < CURRENT; i++)); do\n"
           "        case \"$command $words[i]\" in\n"
           "        " +
           known_paths(commands) +
           ")\n"
           "            command=${command:+$command }$words[i] ;;\n"
           "        esac\n"
           "    done\n" +
           cases(commands, "    ", offer) +
           "}\n"
           "if [[ $funcstack[1] == _attentive-gateway ]]; then\n"
           "    _attentive-gateway \"$@\"\n"
           "else\n"
           "    compdef _attentive-gateway attentive-gateway\n"
           "fi\n";
}

// fish asks a condition for each line; the function says which subcommand the words name.
std::string fish_script(const std::vector<offered_command>& commands)
{
    std::string out = "# Written by attentive-gateway completion fish\n"
                      "function __attentive_gateway_at\n"
                      "    set -l command ''\n"
                      "    for word in (commandline -opc)[2..-1]\n"
                      "        switch \"$command $word\"\n"
                      "            case";
    for (const auto& c : commands) {
        if (!c.name.empty())
            out +=
                " '" + std::string{c.name.find(' ') == std::string::npos ? " " : ""} + c.name + "'";
    }
    out += "\n"
           "                set command (string trim -- \"$command $word\")\n"
           "        end\n"
           "    end\n"
           "    test \"$command\" = \"$argv[1]\"\n"
           "end\n"
           "complete -c attentive-gateway -f\n";
    for (const auto& c : commands) {
        const std::string line =
            "complete -c attentive-gateway -n \"__attentive_gateway_at '" + c.name + "'\"";
        for (const auto& sub : commands) {
            const auto blank = sub.name.rfind(' ');
            const std::string parent = blank == std::string::npos ? "" : sub.name.substr(0, blank);
            if (!sub.name.empty() && parent == c.name)
                out += line + " -a " + sub.name.substr(blank + 1) + " -d " +
                       single_quoted(sub.meaning) + "\n";
        }
        if (c.takes_file)
            out += line + " -F\n";
        for (const auto& option : c.options) {
            out += line + " -l " + option.name.substr(2);
            if (option.value != value_kind::none)
                out += " -r";
            if (option.value == value_kind::file)
                out += " -F";
            if (option.value == value_kind::directory)
                out += " -a '(__fish_complete_directories)'";
            if (option.value == value_kind::words)
                out += " -a " + single_quoted(words_of(option));
            out += " -d " + single_quoted(option.meaning) + "\n";
        }
    }
    return out;
}

} // namespace

std::string completion_script(const std::vector<offered_command>& commands,
                              const std::string& shell)
{
    if (shell == "zsh")
        return zsh_script(commands);
    return shell == "fish" ? fish_script(commands) : bash_script(commands);
}

} // namespace gateway
