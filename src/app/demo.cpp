// `demo`: the whole way on one machine, to look at.
#include "gateway/app/command_line.hpp"
#include "gateway/app/commands.hpp"

#include <cstdio>

namespace gateway {

int run_demo(const demo_options& options)
{
    std::fprintf(stderr, "attentive-gateway: demo in %s: not built in\n",
                 options.directory.c_str());
    return exit_failed;
}

} // namespace gateway
