#include "gateway/app/command_line.hpp"

#include "app/commands/command.hpp"

#include <csignal>
#include <exception>

namespace gateway {
namespace {

constexpr const char* overview =
    "Exit codes: 0 done, 1 failed, 2 arguments or configuration are wrong, 3 done but for lines\n"
    "of a file that were refused.\n"
    "The configuration is --config FILE, else $ATTENTIVE_GATEWAY_CONFIG, else\n"
    "/etc/attentive-gateway/gateway.toml.\n\n"
    "Start here:\n"
    "  attentive-gateway demo                      see it work on this machine\n"
    "  attentive-gateway check-config gateway.toml\n"
    "  attentive-gateway help SUBCOMMAND           options and examples of one\n";

int parse_and_run(int argc, const char* const* argv)
{
    program whole{"attentive-gateway",
                  "Receives Attentive's webhooks, verifies them and stores them as rows of "
                  "PostgreSQL.",
                  "attentive-gateway " GATEWAY_VERSION, overview};
    std::vector<action> actions;
    std::size_t chosen = 0;
    for (const command& c : all_commands()) {
        if (c.declare == nullptr) {
            whole.add_group(c.text.name, c.text.summary);
            continue;
        }
        auto options = whole.add(c.text, [&chosen, n = actions.size()] { chosen = n; });
        actions.push_back(c.declare(options));
    }
    if (const auto printed = whole.parse(argc, argv))
        return *printed ? exit_ok : exit_usage;
    const auto done = actions.at(chosen)();
    return done ? done.value() : report_failure(done.error());
}

} // namespace

int run_command_line(int argc, const char* const* argv)
{
    std::signal(SIGPIPE, SIG_IGN); // a peer that goes away is an error code, not our end
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& e) { // out of memory, or a fault of our own
        return report_failure(fail(errc::process_failed, e.what()));
    }
}

} // namespace gateway
