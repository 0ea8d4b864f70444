// `migrate`: the schema's way to this binary's version.
#include "app/commands/commands.hpp"
#include "app/console/exit_code.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/store/migrations.hpp"

#include <cstdio>

namespace gateway {
namespace {

result<std::vector<std::string>> migrate_as(const migrate_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_database(options.database));
    return migrate(at.database.url);
}

} // namespace

int run_migrate(const migrate_options& options)
{
    const auto applied = migrate_as(options);
    if (!applied)
        return report_failure(applied.error());
    for (const auto& name : applied.value())
        std::printf("applied %s\n", name.c_str());
    if (applied.value().empty())
        std::printf("the schema is up to date\n");
    return exit_ok;
}

} // namespace gateway
