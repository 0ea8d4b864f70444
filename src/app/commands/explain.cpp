// `explain`: what the gateway would make of a body, without a database. The event or the reason
// goes to standard output as JSON; for a body that would be quarantined, a table for people
// follows on standard error.
#include "app/commands/commands.hpp"
#include "app/config/read_file.hpp"
#include "app/console/exit_code.hpp"
#include "gateway/attentive/event_json.hpp"
#include "gateway/attentive/normalizer.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace gateway {
namespace {

constexpr std::size_t body_bytes_max = 64U << 20U;

void print_faults(const quarantined& q)
{
    const int status = http_status(q.reason);
    std::fprintf(stderr,
                 "\nThis body would be kept in quarantine: %s. The sender would get %d%s.\n",
                 std::string{name(q.reason)}.c_str(), status,
                 status == 202 ? ", so it does not come again" : "");
    std::size_t width = 5;
    for (const field_fault& f : q.faults)
        width = std::max(width, f.field.size());
    for (const field_fault& f : q.faults)
        std::fprintf(stderr, "  %-*s  found %s, expected %s\n", static_cast<int>(width),
                     f.field.empty() ? "body" : f.field.c_str(), f.found.c_str(),
                     f.expected.c_str());
}

} // namespace

int run_explain()
{
    if (::isatty(STDIN_FILENO) == 1)
        std::fputs("Paste a body, then press Ctrl-D.\n", stderr);
    const auto body = read_standard_input(body_bytes_max);
    if (!body) {
        std::fprintf(stderr, "attentive-gateway: %s\n", body.error().detail.c_str());
        return exit_failed;
    }
    const normalized what = normalize(std::string_view{body.value()});
    std::fputs(to_json(what).c_str(), stdout);
    std::fflush(stdout);
    const auto* const refused = std::get_if<quarantined>(&what);
    if (refused == nullptr)
        return exit_ok;
    print_faults(*refused);
    return exit_failed;
}

} // namespace gateway
