#include "app/console/exit_code.hpp"

#include "app/console/log.hpp"
#include "app/console/print.hpp"

#include <chrono>

namespace gateway {

int report_failure(const error& e)
{
    const bool names_itself = e.code == errc::config_invalid; // by file and line
    print_error("{}{}{}\n", journal_prefix(severity::error),
                names_itself ? "" : "attentive-gateway: ", e.detail);
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
        print_error("{} {} so far\n", done, what);
    };
}

} // namespace gateway
