// `erase` and `retention`: what takes people and old data out, by hand. What waits in the spool of
// a stopped gateway is brought in first; a running one drains by itself.
#include "gateway/store/privacy.hpp"

#include "app/commands/command.hpp"
#include "app/config/installation.hpp"
#include "app/console/print.hpp"
#include "app/daemon/open_stores.hpp"

namespace gateway {
namespace {

// What waits in a spool nobody uses has to be in the log first: an event that the tombstone drops
// would be missing from the counts, and until then the person's data would lie on the disk.
result<std::uint64_t> bring_in_spool(const configured& at)
{
    const auto& directory = at.settings.spool.directory;
    if (directory.empty())
        return 0;
    BOOST_OUTCOME_TRY(const bool used, is_spool(directory));
    if (!used)
        return 0;
    BOOST_OUTCOME_TRY(const auto files, verify_spool(directory));
    std::uint64_t waiting = 0;
    for (const auto& file : files)
        waiting += file.events;
    BOOST_OUTCOME_TRY(const bool in_use, spool_in_use(directory));
    if (waiting == 0 || in_use)
        return waiting;
    BOOST_OUTCOME_TRY(drain_spool(at, progress_lines("events drained")));
    return 0;
}

struct erase_command {
    database_options database;
    erase_request person;

    void declare(option_list& options)
    {
        declare_database(options, database);
        options.value("--company", person.company_id, "ID", "Their company_id").required();
        const auto identifier = [&](const char* name, const char* kind, const char* meaning) {
            const auto take = [this, kind](const std::string& value) {
                const bool is_first = person.kind.empty();
                person.kind = kind;
                person.value = value;
                return is_first;
            };
            return options.taken(name, take, "name the person by one identifier", "V", meaning);
        };
        options.heading("The person, by one of");
        options.need_one_of(
            {identifier("--phone", "phone", "Phone number, E.164"),
             identifier("--email", "email", "E-mail address"),
             identifier("--external-id", "attentive_external_id", "Attentive's external_id")});
        options.heading(usual_heading);
        options.flag("--only-this-subscriber", person.only_this_subscriber,
                     "Leave others of the profile, who share a phone or address");
        options.flag("--dry-run", person.dry_run, "Say what would go, write nothing");
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at,
                          connect_to_current_schema(database, database_role::privacy));
        std::uint64_t spooled = 0; // by a running gateway, which drains by itself
        if (!person.dry_run) {
            BOOST_OUTCOME_TRY(spooled, bring_in_spool(at));
        }
        BOOST_OUTCOME_TRY(const auto found, erase(at.database.url, person));
        print_out("subscribers            {}\n", found.subscribers);
        for (const auto& who : found.people)
            print_out("  {}\n", who);
        print_out("events blanked         {}\n", found.events);
        print_out("raw bodies deleted     {}\n", found.deliveries);
        print_out("in quarantine blanked  {}\n", found.quarantined);
        if (person.dry_run)
            print_out("nothing was written (--dry-run)\n");
        if (!database.url.empty() && database.config.empty())
            print_error("no spool was looked into (--url without --config): what waits in one, the "
                        "database drops when it drains\n");
        if (spooled > 0)
            print_error("{} events wait in the spool of the running gateway, perhaps some of the "
                        "person's: the database drops those when they drain (see spool status)\n",
                        spooled);
        return exit_ok;
    }
};

struct retention_command {
    database_options database;

    void declare(option_list& options) { declare_database(options, database); }

    result<int> run() const
    {
        auto where = database;
        if (where.config.empty()) // what is kept for how long stands there, whatever the database
            where.config = default_config_file();
        BOOST_OUTCOME_TRY(const auto at, connect_to_database(where));
        BOOST_OUTCOME_TRY(const auto dropped,
                          apply_retention(at.database.url, at.settings.retention));
        for (const auto& each : dropped)
            print_out("dropped {}, about {} rows\n", each.what, each.rows);
        if (dropped.empty())
            print_out("nothing is older than it may be\n");
        return exit_ok;
    }
};

} // namespace

std::vector<command> privacy_commands()
{
    return {
        subcommand<erase_command>(
            {"erase",
             "--company ID (--phone V | --email V | --external-id V) [--only-this-subscriber] "
             "[--dry-run]",
             "Remove a person from everything that is stored",
             R"(
Everybody who is one profile with the identifier; they are listed, masked. Where two share a
phone number, --only-this-subscriber with what one of them has alone leaves the other. Counts in
reports stay, nobody is behind them, and a delivery that comes again does not bring the person
back. Needs the rights of gateway_privacy.

Example:
  attentive-gateway erase --company MDc6Q29tcGFueTU \
      --phone +12065550100 --dry-run
)"}),
        subcommand<retention_command>({"retention", "[--config FILE] [--url URL]",
                                       "Drop what is older than the configuration keeps it",
                                       R"(
serve does so once a day.

Example:
  attentive-gateway retention
)"}),
    };
}

} // namespace gateway
