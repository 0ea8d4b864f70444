// bench_cluster DIRECTORY: a PostgreSQL of its own for ./scripts/bench, the gateway's private
// cluster as it is, so that all contestants have the same server on the same disk. Prints the
// directory of its socket and its process id, and runs until standard input ends.
#include "gateway/store/embedded_cluster.hpp"

#include <cstdio>
#include <iostream>
#include <string>

int main(int count, char** arguments)
{
    auto cluster = gateway::embedded_cluster::start(count > 1 ? arguments[1] : "");
    if (!cluster) {
        std::fprintf(stderr, "%s\n", cluster.error().detail.c_str());
        return 1;
    }
    std::printf("%s %d\n", arguments[1], cluster.value().pid());
    std::fflush(stdout);
    std::string ignored;
    std::getline(std::cin, ignored);
    return 0;
}
