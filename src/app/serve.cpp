// `serve`: the composition root of the daemon.
#include "gateway/app/command_line.hpp"
#include "gateway/app/commands.hpp"

#include <cstdio>

namespace gateway {

int run_serve(const serve_options& options)
{
    std::fprintf(stderr, "attentive-gateway: serve --config %s: not built in\n",
                 options.config.c_str());
    return exit_failed;
}

} // namespace gateway
