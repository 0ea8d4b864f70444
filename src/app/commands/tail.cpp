// `tail`: what is stored from now on, a line for each event, until Ctrl-C or until nobody reads.
#include "app/commands/commands.hpp"
#include "app/console/exit_code.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/store/event_tail.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <poll.h>
#include <unistd.h>

namespace gateway {
namespace {

constexpr std::chrono::milliseconds pause{500};
constexpr std::chrono::milliseconds pause_without_database{1'000};
constexpr std::size_t name_width = 22; // of the longest of Attentive's

volatile std::sig_atomic_t interrupted = 0;

void interrupt(int)
{
    interrupted = 1;
}

// The second Ctrl-C ends at once, whatever the server does.
void catch_interrupts()
{
    struct sigaction action {};
    action.sa_handler = interrupt;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

// False when nobody reads any more, or a signal came.
bool rest(std::chrono::milliseconds time)
{
    pollfd output{STDOUT_FILENO, 0, 0};
    const int ready = ::poll(&output, 1, static_cast<int>(time.count()));
    return ready >= 0 && interrupted == 0 && (output.revents & (POLLERR | POLLHUP)) == 0;
}

std::string filled(std::string text, std::size_t width)
{
    text.resize(std::max(text.size(), width), ' ');
    return text;
}

std::string line_of(const tailed_event& e)
{
    const std::string who = e.subscriber_id.empty() ? "-" : e.subscriber_id;
    return e.received_at + "  " + printable(e.company_id) + "  " +
           filled(printable(e.event_name), name_width) + "  " + filled(who, 36) + "  " +
           printable(e.detail);
}

// False when nobody reads any more.
bool print(const std::vector<tailed_event>& events, bool as_json)
{
    for (const auto& e : events) {
        std::string line = as_json ? e.json : line_of(e);
        line.erase(line.find_last_not_of(' ') + 1);
        if (std::printf("%s\n", line.c_str()) < 0)
            return false;
    }
    return std::fflush(stdout) == 0;
}

// Until somebody ends it. A database that goes away is waited for: nothing is missed meanwhile.
int follow(event_tail& tail, bool as_json)
{
    bool away = false;
    for (;;) {
        const auto events = tail.next();
        if (events.has_error() && events.error().code != errc::database_unavailable)
            return report_failure(events.error());
        if (events.has_error() != away)
            std::fprintf(stderr, "attentive-gateway: %s\n",
                         events.has_error() ? ("the database is out of reach, trying again: " +
                                               events.error().detail)
                                                  .c_str()
                                            : "connected again");
        away = events.has_error();
        if (!away && !print(events.value(), as_json))
            return exit_ok;
        const bool more = !away && !events.value().empty();
        if (!rest(away ? pause_without_database : more ? std::chrono::milliseconds{0} : pause))
            return exit_ok;
    }
}

} // namespace

int run_tail(const tail_options& options)
{
    const auto opened = connect_to_database(options.database);
    if (opened.has_error())
        return report_failure(opened.error());
    catch_interrupts();
    event_tail tail{{.database_url = opened.value().database.url,
                     .company = options.company,
                     .type = options.type}};
    if (options.since) {
        const auto found = tail.from(*options.since);
        if (found.has_error())
            return report_failure(found.error());
    } else {
        const auto events = tail.from_last(options.lines);
        if (events.has_error())
            return report_failure(events.error());
        if (!print(events.value(), options.as_json))
            return exit_ok;
    }
    return follow(tail, options.as_json);
}

} // namespace gateway
