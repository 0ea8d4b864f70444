#include "app/console/exit_code.hpp"

#include "app/console/log.hpp"

#include <chrono>
#include <cinttypes>
#include <cstdio>

namespace gateway {

int report_failure(const error& e)
{
    const bool names_itself = e.code == errc::config_invalid; // by file and line
    std::fprintf(stderr, "%s%s%s\n", journal_prefix(severity::error).c_str(),
                 names_itself ? "" : "attentive-gateway: ", e.detail.c_str());
    const bool usage = e.code == errc::config_invalid || e.code == errc::secret_invalid;
    return usage ? exit_usage : exit_failed;
}

std::function<void(std::uint64_t)> progress_lines(std::string what)
{
    using clock = std::chrono::steady_clock;
    return [what = std::move(what), shown = clock::now()](std::uint64_t done) mutable {
        if (clock::now() - shown < std::chrono::seconds{5})
            return;
        shown = clock::now();
        std::fprintf(stderr, "%" PRIu64 " %s so far\n", done, what.c_str());
    };
}

} // namespace gateway
