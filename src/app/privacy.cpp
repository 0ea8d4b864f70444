// `erase` and `retention`: what takes people and old data out, by hand. What waits in a spool is
// reached when it drains: the database, which has a tombstone by then, drops it.
#include "gateway/store/privacy.hpp"

#include "gateway/app/command_line.hpp"
#include "gateway/app/commands.hpp"
#include "gateway/app/stores.hpp"

#include <cinttypes>
#include <cstdio>

namespace gateway {
namespace {

// Events that wait in the spool of this host; none when it cannot be told.
std::uint64_t spooled(const config& c)
{
    std::uint64_t events = 0;
    if (c.spool.directory.empty() || !std::filesystem::exists(c.spool.directory))
        return events;
    if (const auto files = verify_spool(c.spool.directory)) {
        for (const auto& file : files.value())
            events += file.events;
    }
    return events;
}

struct erased {
    erase_report found;
    std::uint64_t spooled;
};

result<erased> erase_person(const erase_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect(options.config));
    BOOST_OUTCOME_TRY(const auto found, erase(at.database.url, {options.company, options.kind,
                                                                options.value, options.dry_run}));
    return erased{found, spooled(at.settings)};
}

result<std::vector<retention_dropped>> drop_old(const retention_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect(options.config));
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
    if (spooled > 0)
        std::fprintf(stderr,
                     "%" PRIu64 " events wait in the spool, perhaps some of the person's: the "
                     "database drops those when they drain. See spool status; a stopped gateway's "
                     "spool needs spool drain.\n",
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
