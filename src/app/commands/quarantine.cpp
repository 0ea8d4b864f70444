// `quarantine list | show | replay`: what was signed and kept but is no event, why, and the way out
// of it once a mapping has been corrected. Bodies are personal data: only `show --body` prints one.
#include "app/commands/commands.hpp"
#include "app/console/exit_code.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/attentive/normalizer.hpp"

#include <cinttypes>
#include <cstdio>
#include <unistd.h>

namespace gateway {
namespace {

result<quarantine_listing> list(const quarantine_list_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(options.database));
    return list_quarantine(at.database.url, options.only, options.limit);
}

result<std::optional<quarantine_entry>> read(const quarantine_show_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(options.database));
    return read_quarantine(at.database.url, options.id);
}

result<replay_report> replay(const quarantine_replay_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(options.database));
    return replay_quarantine({batch_settings_of(at.settings, at.database.url), options.only,
                              options.dry_run, progress_lines("rows")});
}

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
    std::fwrite(body.data(), 1, body.size(), stdout);
}

void print_entry(const uuid& id, const quarantine_entry& e)
{
    std::printf("id             %s\n", to_string(id).c_str());
    std::printf("reason         %s\n", e.reason.c_str());
    std::printf("answered       %d\n", e.http_status);
    std::printf("endpoint       %s\n", e.endpoint.c_str());
    std::printf("signing key    %s\n", e.key_id.c_str());
    std::printf("deliveries     %d, first %s, last %s\n", e.deliveries, e.received_at.c_str(),
                e.last_received_at.c_str());
    std::printf("refused by     version %s\n", e.version.c_str());
    std::printf("replayed       %s\n", e.replayed_at.empty() ? "no" : e.replayed_at.c_str());
    std::printf("body           %zu bytes, shown by --body\n\n", e.body.size());
    query_table faults{{"field", "found", "expected"}, {}};
    for (const auto& f : e.faults)
        faults.rows.push_back({f.field.empty() ? "body" : f.field, f.found, f.expected});
    std::fputs(to_text(faults, terminal_width()).c_str(), stdout);
}

} // namespace

int run_quarantine_list(const quarantine_list_options& options)
{
    const auto listed = list(options);
    if (!listed)
        return report_failure(listed.error());
    const auto& rows = listed.value().rows;
    if (!rows.rows.empty())
        std::fputs(to_text(rows, terminal_width()).c_str(), stdout);
    std::printf("%zu of %" PRIu64 " waiting\n", rows.rows.size(), listed.value().matching);
    return exit_ok;
}

int run_quarantine_show(const quarantine_show_options& options)
{
    const auto found = read(options);
    if (!found)
        return report_failure(found.error());
    if (!found.value()) {
        std::fprintf(stderr, "attentive-gateway: no quarantine row has the id %s\n",
                     to_string(options.id).c_str());
        return exit_failed;
    }
    if (options.body)
        print_body(found.value()->body);
    else
        print_entry(options.id, *found.value());
    return exit_ok;
}

int run_quarantine_replay(const quarantine_replay_options& options)
{
    const auto done = replay(options);
    if (!done)
        return report_failure(done.error());
    const replay_report& r = done.value();
    std::printf("%" PRIu64 " rows tried with mapping version %d\n", r.examined, mapping_version);
    std::printf("  %-20s %" PRIu64 "\n", options.dry_run ? "would be events" : "now events",
                r.mapped);
    if (r.known > 0)
        std::printf("  %-20s %" PRIu64 "\n", "  stored before", r.known);
    for (const auto& [reason, rows] : r.left)
        std::printf("  %-20s %" PRIu64 " still waiting\n", std::string{name(reason)}.c_str(), rows);
    if (options.dry_run)
        std::printf("nothing was written (--dry-run)\n");
    return exit_ok;
}

} // namespace gateway
