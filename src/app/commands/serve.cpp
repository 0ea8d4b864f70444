// `serve`: the daemon, from a configuration file until a signal.
#include "app/commands/command.hpp"
#include "app/config/config.hpp"
#include "app/config/secrets.hpp"
#include "app/console/log.hpp"
#include "app/daemon/daemon.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace gateway {
namespace {

// Signing keys, and what people wrote, are in memory: no core dump of it, and nobody but root
// looks into it.
void close_memory()
{
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

struct serve_command {
    std::filesystem::path config;
    bool migrate = false; // apply missing migrations first

    void declare(option_list& options)
    {
        declare_config(options, config);
        options.flag("--migrate", migrate,
                     "Bring the database's schema up to date, as soon as it can be reached");
    }

    result<int> run() const
    {
        close_memory();
        BOOST_OUTCOME_TRY(const auto loaded, load_config(config));
        set_up_log(loaded.log.level, loaded.log.format);
        for (const auto& each : exposed_secrets(loaded))
            write_log(severity::warn, "secret_exposed", "{error.message}",
                      {{"error.message", exposed_text(each)}});
        BOOST_OUTCOME_TRY(const auto started, daemon::start(loaded, migrate, [file = config] {
                              return load_config(file);
                          }));
        started->run();
        return exit_ok;
    }
};

} // namespace

std::vector<command> serve_commands()
{
    return {subcommand<serve_command>({"serve", "[--config FILE] [--migrate]",
                                       "Receive webhooks until SIGTERM",
                                       R"(
Examples:
  attentive-gateway serve
  attentive-gateway serve --config gateway.toml --migrate
)"})};
}

} // namespace gateway
