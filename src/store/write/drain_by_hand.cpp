#include "gateway/store/drain_by_hand.hpp"
#include "store/database/missing_grant.hpp"
#include "store/write/batch_session.hpp"
#include "store/write/drainer.hpp"

#include <utility>

namespace gateway {

result<drain_report> drain(spool& from, const drain_settings& settings)
{
    call_deadlines deadlines;
    drain_report report;
    try {
        batch_session session{settings, "drain by hand", deadlines};
        // What was refused for good stands at the end: when nothing else is left, this is done.
        while (report.kept == 0 || from.status().events > report.kept) {
            BOOST_OUTCOME_TRY(auto batch,
                              from.read(settings.batch_events_max, settings.batch_bytes_max));
            if (batch.deliveries.empty())
                break;
            const std::size_t rows = batch.deliveries.size();
            BOOST_OUTCOME_TRY(const auto kept,
                              drain_batch(session, from, std::move(batch), settings.map));
            report.kept += kept;
            report.drained += rows - kept;
            if (settings.progress)
                settings.progress(report.drained);
        }
        return report;
    } catch (...) {
        return to_error(current_failure(), settings.database_url, database_role::writer);
    }
}

} // namespace gateway
