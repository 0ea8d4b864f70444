// `migrate`: the schema's way to this binary's version.
#include "gateway/app/command_line.hpp"
#include "gateway/app/commands.hpp"

#include <cstdio>

namespace gateway {

int run_migrate(const migrate_options& options)
{
    std::fprintf(stderr, "attentive-gateway: migrate --config %s: not built in\n",
                 options.config.c_str());
    return exit_failed;
}

} // namespace gateway
