// `quarantine list | show | replay`: what was signed and kept but is no event, why, and the way out
// of it once a mapping has been corrected. Bodies are personal data: only `show --body` prints one.
#include "gateway/store/quarantine.hpp"
#include "app/commands/command.hpp"
#include "app/console/print.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/applier.hpp"

#include <unistd.h>

namespace gateway {
namespace {

void declare_filter(option_list& options, quarantine_filter& only)
{
    std::vector<std::string> known;
    for (const auto reason : quarantine_reasons())
        known.emplace_back(name(reason));
    options
        .parsed("--reason", only.reason, quarantine_reason_of,
                fmt::format("--reason is one of: {}", fmt::join(known, ", ")), "REASON",
                "Only rows of this reason")
        .offers(known);
    declare_time(options, "--since", only.since,
                 "Only rows that came first at this day or time (UTC) or later");
}

constexpr const char* id_expected = "an id is a UUID, as quarantine list prints it";

// Whoever asks right behind an answer finds what it told of.
result<configured> connect_once_applied(const database_options& options)
{
    BOOST_OUTCOME_TRY(auto at, connect_to_current_schema(options));
    BOOST_OUTCOME_TRY(const auto left, await_applied(at.database.url));
    if (left > 0)
        print_error(
            "{} {} kept but not applied yet: what comes of it is not among these. A gateway "
            "that runs applies it, and attentive-gateway doctor says what keeps it from "
            "that\n",
            left, left == 1 ? "delivery is" : "deliveries are");
    return at;
}

struct quarantine_list_command {
    database_options database;
    quarantine_filter only;
    std::size_t limit = 50;

    void declare(option_list& options)
    {
        declare_database(options, database);
        declare_filter(options, only);
        options.value("--limit", limit, "N", "Rows to print, the newest (default: 50)")
            .between<std::uint64_t>(1, 100'000);
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_once_applied(database));
        BOOST_OUTCOME_TRY(const auto listed, list_quarantine(at.database.url, only, limit));
        if (!listed.rows.rows.empty())
            print_text(to_text(listed.rows, terminal_width()));
        print_out("{} of {} waiting\n", listed.rows.rows.size(), listed.matching);
        return exit_ok;
    }
};

// A terminal obeys control characters; a file or the next program gets the exact bytes.
void print_body(std::string body)
{
    if (::isatty(STDOUT_FILENO) == 1) {
        for (char& c : body) {
            const auto byte = static_cast<unsigned char>(c);
            if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f)
                c = ' ';
        }
        body += '\n';
    }
    print_text(body);
}

void print_entry(const uuid& id, const quarantine_entry& e)
{
    print_out("id             {}\n", to_string(id));
    print_out("reason         {}\n", e.reason);
    print_out("endpoint       {}\n", e.endpoint);
    print_out("signing key    {}\n", e.key_id);
    print_out("deliveries     {}, first {}, last {}\n", e.deliveries, e.received_at,
              e.last_received_at);
    print_out("refused by     version {}\n", e.version);
    print_out("replayed       {}\n", e.replayed_at.empty() ? "no" : e.replayed_at);
    print_out("body           {} bytes, shown by --body\n\n", e.body.size());
    query_table faults{{"field", "found", "expected"}, {}};
    for (const auto& f : e.faults)
        faults.rows.push_back({f.field.empty() ? "body" : f.field, f.found, f.expected});
    print_text(to_text(faults, terminal_width()));
}

struct quarantine_show_command {
    database_options database;
    uuid id;
    bool body = false; // the kept bytes, and nothing else

    void declare(option_list& options)
    {
        declare_database(options, database);
        options.parsed("ID", id, uuid_from_text, id_expected, "", "Of the row").required();
        options.flag("--body", body, "Print the kept bytes, and nothing else");
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_once_applied(database));
        BOOST_OUTCOME_TRY(const auto found, read_quarantine(at.database.url, id));
        if (!found)
            return fail(errc::database_failed, "no quarantine row has the id " + to_string(id));
        if (body)
            print_body(found->body);
        else
            print_entry(id, *found);
        return exit_ok;
    }
};

struct quarantine_replay_command {
    database_options database;
    quarantine_filter only;
    bool dry_run = false;

    void declare(option_list& options)
    {
        declare_database(options, database);
        options.parsed("--id", only.id, uuid_from_text, id_expected, "ID", "Only this row");
        declare_filter(options, only);
        options.flag("--dry-run", dry_run, "Say what would become of them, write nothing");
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_once_applied(database));
        BOOST_OUTCOME_TRY(const auto done,
                          replay_quarantine({batch_settings_of(at.settings, at.database.url), only,
                                             dry_run, progress_lines("rows")}));
        print_out("{} rows tried with mapping version {}\n", done.examined, mapping_version);
        print_out("  {:20} {}\n", dry_run ? "would be events" : "now events", done.mapped);
        for (const auto& [reason, rows] : done.left)
            print_out("  {:20} {} still waiting\n", name(reason), rows);
        if (dry_run)
            print_out("nothing was written (--dry-run)\n");
        return exit_ok;
    }
};

} // namespace

std::vector<command> quarantine_commands()
{
    return {
        command_group("quarantine", "What was kept but is no event: list, show, replay"),
        subcommand<quarantine_list_command>(
            {"quarantine list", "[--reason REASON] [--since TIME] [--limit N]",
             "List what is kept in quarantine and why, without bodies",
             R"(
Example:
  attentive-gateway quarantine list --since 2026-11-21
)"}),
        subcommand<quarantine_show_command>({"quarantine show", "ID [--body]",
                                             "Show one row of the quarantine, or its bytes",
                                             R"(
Examples:
  attentive-gateway quarantine show ID
  attentive-gateway quarantine show ID --body | attentive-gateway explain
)"}),
        subcommand<quarantine_replay_command>(
            {"quarantine replay", "[--id ID] [--reason REASON] [--since TIME] [--dry-run]",
             "Map what is kept once more, and store what now is an event",
             R"(
Without a restriction all that waits is tried. Safe to break off and to repeat: an event is
stored once.

Examples:
  attentive-gateway quarantine replay --reason type_unknown --dry-run
  attentive-gateway quarantine replay --reason type_unknown
)"}),
    };
}

} // namespace gateway
