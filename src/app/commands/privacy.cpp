// `erase` and `retention`: what takes people and old data out, by hand. What waits in the spool of
// a stopped gateway is brought in first; a running one drains by itself.
#include "gateway/store/privacy.hpp"

#include "app/commands/commands.hpp"
#include "app/config/installation.hpp"
#include "app/console/exit_code.hpp"
#include "app/daemon/open_stores.hpp"

#include <cinttypes>
#include <cstdio>

namespace gateway {
namespace {

struct erased {
    erase_report found;
    std::uint64_t spooled = 0; // by a running gateway, which drains by itself
};

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
    BOOST_OUTCOME_TRY(const auto done, drain_spool(at, progress_lines("events drained")));
    if (done.kept > 0)
        return fail(errc::spool_failed, "the database refuses " + std::to_string(done.kept) +
                                            " events of the spool, perhaps some of the person's: "
                                            "see spool export, then erase again");
    return 0;
}

result<erased> erase_person(const erase_options& options)
{
    BOOST_OUTCOME_TRY(const auto at,
                      connect_to_current_schema(options.database, database_role::privacy));
    erased done;
    if (!options.dry_run) {
        BOOST_OUTCOME_TRY(done.spooled, bring_in_spool(at));
    }
    BOOST_OUTCOME_TRY(done.found, erase(at.database.url, {options.company, options.kind,
                                                          options.value, options.dry_run}));
    return done;
}

result<std::vector<retention_dropped>> drop_old(const retention_options& options)
{
    auto where = options.database;
    if (where.config.empty()) // what is kept for how long stands there, whatever the database
        where.config = default_config_file();
    BOOST_OUTCOME_TRY(const auto at, connect_to_database(where));
    return apply_retention(at.database.url, at.settings.retention);
}

} // namespace

int run_erase(const erase_options& options)
{
    const auto done = erase_person(options);
    if (!done)
        return report_failure(done.error());
    const auto& [found, spooled] = done.value();
    std::printf("subscribers            %" PRIu64 "\n", found.subscribers);
    std::printf("events blanked         %" PRIu64 "\n", found.events);
    std::printf("raw bodies deleted     %" PRIu64 "\n", found.deliveries);
    std::printf("in quarantine blanked  %" PRIu64 "\n", found.quarantined);
    if (options.dry_run)
        std::printf("nothing was written (--dry-run)\n");
    if (!options.database.url.empty() && options.database.config.empty())
        std::fprintf(stderr, "no spool was looked into (--url without --config): what waits in "
                             "one, the database drops when it drains\n");
    if (spooled > 0)
        std::fprintf(stderr,
                     "%" PRIu64 " events wait in the spool of the running gateway, perhaps some of "
                     "the person's: the database drops those when they drain (see spool status)\n",
                     spooled);
    return exit_ok;
}

int run_retention(const retention_options& options)
{
    const auto done = drop_old(options);
    if (!done)
        return report_failure(done.error());
    for (const auto& each : done.value())
        std::printf("dropped %s, about %" PRIu64 " rows\n", each.what.c_str(), each.rows);
    if (done.value().empty())
        std::printf("nothing is older than it may be\n");
    return exit_ok;
}

} // namespace gateway
