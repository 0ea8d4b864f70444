// `migrate`: the schema's way to this binary's version.
#include "gateway/app/command_line.hpp"
#include "gateway/app/commands.hpp"
#include "gateway/app/config.hpp"
#include "gateway/app/stores.hpp"
#include "gateway/store/migrations.hpp"

#include <cstdio>

namespace gateway {
namespace {

result<std::vector<std::string>> migrate_configured(const config& c)
{
    BOOST_OUTCOME_TRY(const auto database, open(c));
    return migrate(database.url);
}

} // namespace

int run_migrate(const migrate_options& options)
{
    const auto loaded = load_config(options.config);
    if (!loaded) {
        std::fprintf(stderr, "%s\n", loaded.error().detail.c_str());
        return exit_usage;
    }
    const auto applied = migrate_configured(loaded.value());
    if (!applied) {
        std::fprintf(stderr, "attentive-gateway: %s\n", applied.error().detail.c_str());
        return exit_failed;
    }
    for (const auto& name : applied.value())
        std::printf("applied %s\n", name.c_str());
    if (applied.value().empty())
        std::printf("the schema is up to date\n");
    return exit_ok;
}

} // namespace gateway
