// `audience`: whom a company may write to, as a file for the system that will.
#include "gateway/store/audience.hpp"

#include "app/commands/command.hpp"
#include "app/console/csv.hpp"
#include "app/console/print.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"

#include <map>
#include <utility>

namespace gateway {
namespace {

// What each destination calls the column. Klaviyo takes addresses, no hashes.
std::string column_name(const std::string& hash, const std::string& channel)
{
    static const std::map<std::pair<std::string, std::string>, std::string> names = {
        {{"meta", "sms"}, "phone"},          {{"meta", "email"}, "email"},
        {{"google", "sms"}, "Phone"},        {{"google", "email"}, "Email"},
        {{"tiktok", "sms"}, "Phone_SHA256"}, {{"tiktok", "email"}, "Email_SHA256"},
        {{"", "sms"}, "Phone Number"},       {{"", "email"}, "Email"}};
    return names.at({hash, channel});
}

struct audience_command {
    database_options database;
    audience_request wanted; // its `name` is empty: list them

    void declare(option_list& options)
    {
        declare_database(options, database);
        options.value("NAME", wanted.name, "", "Of an audience; without it they are listed");
        options.value("--company", wanted.company_id, "ID", "The company_id that will write");
        options.value("--channel", wanted.channel, "CHANNEL", "sms or email")
            .one_of({"sms", "email"});
        options.value("--hash", wanted.hash, "FOR", "SHA-256 as meta, google or tiktok wants it")
            .one_of({"meta", "google", "tiktok"});
        options.value("--type", wanted.subscription_type, "TYPE",
                      "Whose consent counts (default: MARKETING)");
    }

    result<int> run() const
    {
        const bool is_list = wanted.name.empty();
        if (!is_list && (wanted.company_id.empty() || wanted.channel.empty()))
            return fail(errc::config_invalid,
                        "attentive-gateway audience NAME needs --company and --channel");
        BOOST_OUTCOME_TRY(const auto at,
                          connect_to_current_schema(database, database_role::audience));
        if (is_list) {
            BOOST_OUTCOME_TRY(const auto rules, list_audiences(at.database.url));
            print_text(to_text(rules, terminal_width()));
            return exit_ok;
        }
        BOOST_OUTCOME_TRY(auto people, export_audience(at.database.url, wanted));
        people.columns[0] = column_name(wanted.hash, wanted.channel);
        print_text(to_csv(people));
        print_error("{} addresses, recorded in report.audience_exports\n", people.rows.size());
        return exit_ok;
    }
};

} // namespace

std::vector<command> audience_commands()
{
    return {subcommand<audience_command>(
        {"audience", "[NAME --company ID --channel CHANNEL] [--hash FOR] [--type TYPE]",
         "Export whom a company may write to, or list the audiences",
         R"(
CSV: each phone number or address whose last opt-in counts now, with the proof; with --hash the
digests alone. Klaviyo takes the file without --hash. Each export is recorded. Refused while an
opt-out may be missing: what waits in the spool of a gateway that has no database is not known
here. Needs the rights of gateway_audience.

Examples:
  attentive-gateway audience
  attentive-gateway audience lapsed --company MDc6Q29tcGFueTU --channel sms > lapsed.csv
  attentive-gateway audience vip --company MDc6Q29tcGFueTU --channel email --hash meta
)"})};
}

} // namespace gateway
