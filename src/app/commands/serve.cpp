// `serve`: the daemon, from a configuration file until a signal.
#include "app/commands/commands.hpp"
#include "app/config/config.hpp"
#include "app/config/secrets.hpp"
#include "app/console/exit_code.hpp"
#include "app/console/log.hpp"
#include "app/daemon/daemon.hpp"

#include <cstdio>
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

// What the operator wrote is wrong, rather than what the machine does.
bool is_configuration(errc code)
{
    return code == errc::config_invalid || code == errc::secret_invalid;
}

} // namespace

int run_serve(const serve_options& options)
{
    close_memory();
    const auto loaded = load_config(options.config);
    if (!loaded) {
        std::fprintf(stderr, "%s%s\n", journal_prefix(severity::error).c_str(),
                     loaded.error().detail.c_str());
        return exit_usage;
    }
    set_up_log(loaded.value().log.level, loaded.value().log.format);
    for (const auto& each : exposed_secrets(loaded.value()))
        write_log(severity::warn, "secret_exposed", "{error.message}",
                  {{"error.message", exposed_text(each)}});
    const auto started = daemon::start(loaded.value(), options.migrate,
                                       [file = options.config] { return load_config(file); });
    if (!started) {
        std::fprintf(stderr, "%sattentive-gateway: %s\n", journal_prefix(severity::error).c_str(),
                     started.error().detail.c_str());
        return is_configuration(started.error().code) ? exit_usage : exit_failed;
    }
    started.value()->run();
    return exit_ok;
}

} // namespace gateway
