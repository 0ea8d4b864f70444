// `spool status | verify | drain | export`: what waits in the local spool, whether its files are
// whole, and how it gets out by hand. All but drain only read, also beside a running gateway.
#include "app/commands/commands.hpp"
#include "app/config/config.hpp"
#include "app/config/installation.hpp"
#include "app/config/units.hpp"
#include "app/console/exit_code.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"

#include <cinttypes>
#include <cstdio>

namespace gateway {
namespace {

error has_no_spool(const std::filesystem::path& file)
{
    return fail(errc::config_invalid, file.string() + ": has no [spool] with a directory");
}

struct location {
    std::filesystem::path directory;
    std::size_t bytes_max; // 0: not known
};

result<location> locate(const spool_options& options)
{
    location at{options.directory, 0};
    if (at.directory.empty()) {
        const auto file = options.config.empty() ? default_config_file() : options.config;
        BOOST_OUTCOME_TRY(const auto c, load_config(file));
        if (c.spool.directory.empty())
            return has_no_spool(file);
        at = {c.spool.directory, c.spool.bytes_max};
    }
    BOOST_OUTCOME_TRY(expect_spool(at.directory));
    return at;
}

std::string mebibytes(std::uint64_t bytes)
{
    char out[32];
    std::snprintf(out, sizeof out, "%.1f MiB", static_cast<double>(bytes) / (1U << 20U));
    return out;
}

result<void> print_status(const location& at)
{
    BOOST_OUTCOME_TRY(const bool in_use, spool_in_use(at.directory));
    BOOST_OUTCOME_TRY(const auto files, verify_spool(at.directory));
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::size_t damaged = 0;
    std::optional<timestamp> oldest;
    for (const auto& file : files) {
        events += file.events;
        bytes += file.bytes;
        damaged += file.whole ? 0 : 1;
        if (file.oldest && (!oldest || *file.oldest < *oldest))
            oldest = file.oldest;
    }
    std::printf("directory  %s\n", at.directory.c_str());
    std::printf("used by    %s\n", in_use ? "a running gateway" : "nobody");
    std::printf("events     %" PRIu64 "\n", events);
    if (oldest)
        std::printf("oldest     %s\n", to_string(*oldest).c_str());
    std::printf("files      %zu, %s", files.size(), mebibytes(bytes).c_str());
    if (at.bytes_max != 0)
        std::printf(" of %s", size_text(at.bytes_max).c_str());
    std::printf("\n");
    if (damaged > 0)
        std::printf("damaged    %zu of them, see spool verify\n", damaged);
    return boost::outcome_v2::success();
}

query_table table_of(const std::vector<spool_file_report>& files)
{
    query_table table{{"file", "events", "oldest", "size", "state"}, {}};
    for (const auto& file : files)
        table.rows.push_back({file.file, std::to_string(file.events),
                              file.oldest ? to_string(*file.oldest) : "", mebibytes(file.bytes),
                              file.detail});
    return table;
}

result<drain_report> drain_configured(const spool_drain_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema({options.config, {}}));
    if (at.settings.spool.directory.empty())
        return has_no_spool(options.config);
    return drain_spool(at, progress_lines("events drained"));
}

} // namespace

int run_spool_status(const spool_options& options)
{
    const auto at = locate(options);
    if (!at)
        return report_failure(at.error());
    const auto printed = print_status(at.value());
    return printed ? exit_ok : report_failure(printed.error());
}

int run_spool_verify(const spool_options& options)
{
    const auto at = locate(options);
    if (!at)
        return report_failure(at.error());
    const auto files = verify_spool(at.value().directory);
    if (!files)
        return report_failure(files.error());
    if (files.value().empty()) {
        std::printf("the spool is empty\n");
        return exit_ok;
    }
    std::fputs(to_text(table_of(files.value()), terminal_width()).c_str(), stdout);
    std::size_t damaged = 0;
    for (const auto& file : files.value())
        damaged += file.whole ? 0 : 1;
    if (damaged == 0)
        std::printf("all files are whole\n");
    else
        std::printf("%zu of %zu files are not whole\n", damaged, files.value().size());
    return damaged == 0 ? exit_ok : exit_failed;
}

int run_spool_drain(const spool_drain_options& options)
{
    const auto done = drain_configured(options);
    if (!done)
        return report_failure(done.error());
    std::printf("drained %" PRIu64 " events into the database\n", done.value().drained);
    if (done.value().kept == 0)
        return exit_ok;
    std::printf("kept %" PRIu64 " that the database refuses: see spool export\n",
                done.value().kept);
    return exit_failed;
}

int run_spool_export(const spool_export_options& options)
{
    const auto at = locate(options.from);
    if (!at)
        return report_failure(at.error());
    const auto written = export_spool(at.value().directory, options.to);
    if (!written)
        return report_failure(written.error());
    std::printf("wrote %" PRIu64 " deliveries to %s\n", written.value(),
                (options.to / "deliveries.jsonl").c_str());
    return exit_ok;
}

} // namespace gateway
