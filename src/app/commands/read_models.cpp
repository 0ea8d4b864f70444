// `rebuild`, `identity split` and `explain-identity`: read models by hand. All of them work beside
// the running daemon.
#include "gateway/store/read_models.hpp"

#include "app/commands/command.hpp"
#include "app/console/print.hpp"
#include "app/console/table.hpp"

#include <algorithm>

namespace gateway {
namespace {

struct rebuild_command {
    database_options database;
    std::string model; // empty: all

    void declare(option_list& options)
    {
        declare_database(options, database);
        options
            .value("--model", model, "MODEL",
                   "Only this one: company, identity, consent, message, order, "
                   "engagement, feed")
            .one_of(read_models());
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(database));
        rebuild_settings settings;
        settings.database_url = at.database.url;
        if (!model.empty())
            settings.models = {model};
        settings.progress = progress_lines("events");
        BOOST_OUTCOME_TRY(const auto tables, rebuild(settings));
        print_text(to_text(tables, terminal_width()));
        return exit_ok;
    }
};

void declare_subscriber(option_list& options, std::string& company, uuid& subscriber)
{
    options.value("--company", company, "ID", "company_id of the subscriber").required();
    options
        .parsed("--subscriber", subscriber, uuid_from_text,
                "--subscriber is a UUID: subscriber_id, as in the log", "UUID",
                "subscriber_id, as in the log")
        .required();
}

struct identity_split_command {
    database_options database;
    identity_split split;

    void declare(option_list& options)
    {
        declare_database(options, database);
        declare_subscriber(options, split.company, split.subscriber);
        options.value("--kind", split.kind, "KIND",
                      "Only what identifiers of this kind join, such as phone (default: all)");
        options.flag("--undo", split.undo, "Take a split back");
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(database));
        BOOST_OUTCOME_TRY(const auto profiles, split_identity(at.database.url, split));
        print_text(to_text(profiles, terminal_width()));
        return exit_ok;
    }
};

struct explain_identity_command {
    database_options database;
    std::string company;
    uuid subscriber;

    void declare(option_list& options)
    {
        declare_database(options, database);
        declare_subscriber(options, company, subscriber);
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(database));
        BOOST_OUTCOME_TRY(const auto chain, explain_identity(at.database.url, company, subscriber));
        if (chain.rows.empty())
            return fail(errc::database_failed,
                        fmt::format("no subscriber {} of company {} is known",
                                    to_string(subscriber), company));
        print_text(to_text(chain, terminal_width()));
        const auto passed = [](const auto& row) { return !row.back().empty(); };
        if (std::any_of(chain.rows.begin(), chain.rows.end(), passed))
            print_out(
                "passed_on_at: since then it joins these two no more. The one had opted out of "
                "SMS with it, and after 45 days or more the other opted in: numbers are given "
                "to others after that time\n");
        if (chain.rows.size() == 1)
            print_out("nothing joins this subscriber to another\n");
        return exit_ok;
    }
};

} // namespace

std::vector<command> read_models_commands()
{
    return {
        subcommand<rebuild_command>(
            {"rebuild", "[--model MODEL]",
             "Make the read models again from the log, while the gateway serves",
             R"(
Prints for each table its rows, and how many were wrong: removed and added. Needed after a
change of gateway.identity_rule or identity_block, and to try events again that were set
aside. Not through a pooler in transaction mode.

Examples:
  attentive-gateway rebuild
  attentive-gateway rebuild --model identity
)"}),
        command_group("identity", "Who is one person: split"),
        subcommand<identity_split_command>(
            {"identity split", "--company ID --subscriber UUID [--kind KIND] [--undo]",
             "Take a subscriber out of the profile it was merged into, for good",
             R"(
Identifiers of the kind join it to nobody from now on, also after a rebuild. Prints the
profiles of all who were together with it.

Example:
  attentive-gateway identity split --company MDc6Q29tcGFueTU \
      --subscriber de4b6290-5729-8030-88f1-09d878d95cfb --kind phone
)"}),
        subcommand<explain_identity_command>(
            {"explain-identity", "--company ID --subscriber UUID",
             "Show why subscribers are one profile: the identifiers they share, masked",
             R"(
Example:
  attentive-gateway explain-identity --company MDc6Q29tcGFueTU \
      --subscriber de4b6290-5729-8030-88f1-09d878d95cfb
)"}),
    };
}

} // namespace gateway
