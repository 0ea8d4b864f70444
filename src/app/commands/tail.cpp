// `tail`: what is stored from now on, a line for each event, until Ctrl-C or until nobody reads.
#include "app/commands/command.hpp"
#include "app/console/interrupts.hpp"
#include "app/console/print.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/store/event_tail.hpp"

#include <poll.h>
#include <unistd.h>

namespace gateway {
namespace {

constexpr std::chrono::milliseconds pause{500};
constexpr std::chrono::milliseconds pause_without_database{1'000};
constexpr std::size_t name_width = 22; // of the longest of Attentive's

// False when nobody reads any more, or a signal came.
bool rest(std::chrono::milliseconds time)
{
    pollfd output{STDOUT_FILENO, 0, 0};
    const int ready = ::poll(&output, 1, static_cast<int>(time.count()));
    return ready >= 0 && !was_interrupted() && (output.revents & (POLLERR | POLLHUP)) == 0;
}

std::string line_of(const tailed_event& e)
{
    const std::string who = e.subscriber_id.empty() ? "-" : e.subscriber_id;
    return fmt::format("{}  {}  {:{}}  {:36}  {}", e.received_at, printable(e.company_id),
                       printable(e.event_name), name_width, who, printable(e.detail));
}

// False when nobody reads any more.
bool print_events(const std::vector<tailed_event>& events, bool as_json)
{
    for (const auto& e : events) {
        std::string line = as_json ? e.json : line_of(e);
        line.erase(line.find_last_not_of(' ') + 1);
        line += '\n';
        if (std::fputs(line.c_str(), stdout) < 0)
            return false;
    }
    return std::fflush(stdout) == 0;
}

// Until somebody ends it. A database that goes away is waited for: nothing is missed meanwhile.
result<int> follow(event_tail& tail, bool as_json)
{
    bool away = false;
    for (;;) {
        const auto events = tail.next();
        if (events.has_error() && events.error().code != errc::database_unavailable)
            return events.error();
        if (events.has_error() != away)
            print_error("attentive-gateway: {}\n",
                        events.has_error()
                            ? "the database is out of reach, trying again: " + events.error().detail
                            : "connected again");
        away = events.has_error();
        if (!away && !print_events(events.value(), as_json))
            return exit_ok;
        const bool more = !away && !events.value().empty();
        if (!rest(away ? pause_without_database : more ? std::chrono::milliseconds{0} : pause))
            return exit_ok;
    }
}

struct tail_command {
    database_options database;
    std::string company;            // company_id; empty: all
    std::string type;               // event_name or Attentive's type; empty: all
    std::size_t lines = 10;         // stored before, to begin with
    std::optional<timestamp> since; // in place of `lines`: all that was stored from then on
    std::string format;

    void declare(option_list& options)
    {
        declare_database(options, database);
        options.value("--type", type, "TYPE", "Only events of this type, as sms.sent")
            .offers({event_type_names().begin(), event_type_names().end()});
        options.value("--company", company, "ID", "Only this company_id");
        const auto newest = options
                                .value("--lines", lines, "N",
                                       "Begin with the newest of what is stored (default: 10)")
                                .between<std::uint64_t>(0, 100'000);
        declare_time(options, "--since", since,
                     "Begin with all that was stored at this day or time (UTC) or later")
            .excludes(newest);
        options.value("--format", format, "FORMAT", "text or json (default: text)")
            .one_of({"text", "json"});
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_to_database(database));
        catch_interrupts(system_calls::cut);
        event_tail tail{{.database_url = at.database.url, .company = company, .type = type}};
        const bool as_json = format == "json";
        if (since) {
            BOOST_OUTCOME_TRY(tail.from(*since));
        } else {
            BOOST_OUTCOME_TRY(const auto events, tail.from_last(lines));
            if (!print_events(events, as_json))
                return exit_ok;
        }
        return follow(tail, as_json);
    }
};

} // namespace

std::vector<command> tail_commands()
{
    return {subcommand<tail_command>(
        {"tail", "[--type TYPE] [--company ID] [--lines N | --since TIME] [--format FORMAT]",
         "Follow what is stored, a line for each event, without anything personal",
         R"(
When it was received (UTC), company, event, subscriber, and the name of the message or the
link's host. Needs the rights of gateway_reader. Ctrl-C ends it.

Examples:
  attentive-gateway tail --type sms.inbound_message
  attentive-gateway tail --lines 0 --format json | jq .event_name
)"})};
}

} // namespace gateway
