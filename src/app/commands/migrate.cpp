// `migrate`: the schema's way to this binary's version.
#include "gateway/store/migrations.hpp"

#include "app/commands/command.hpp"
#include "app/console/print.hpp"

namespace gateway {
namespace {

struct migrate_command {
    database_options database;

    void declare(option_list& options) { declare_database(options, database); }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_to_database(database));
        BOOST_OUTCOME_TRY(const auto applied, migrate(at.database.url));
        for (const auto& name : applied)
            print_out("applied {}\n", name);
        if (applied.empty())
            print_out("the schema is up to date\n");
        return exit_ok;
    }
};

} // namespace

std::vector<command> migrate_commands()
{
    return {subcommand<migrate_command>({"migrate", "[--url URL]",
                                         "Bring the database's schema up to date",
                                         R"(
Safe to repeat, and to run from several replicas at once. The user has to own the schema;
--url is for where the gateway's own does not, and should not.

Examples:
  attentive-gateway migrate
  sudo -u postgres attentive-gateway migrate --url postgresql:///attentive
)"})};
}

} // namespace gateway
