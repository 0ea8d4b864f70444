#include "gateway/store/drain_by_hand.hpp"
#include "store/database/missing_grant.hpp"
#include "store/write/drainer.hpp"

namespace gateway {

result<drain_report> drain(spool& from, const drain_settings& settings)
{
    call_deadlines deadlines;
    drain_report report;
    try {
        intake_session session{settings, "drain by hand", deadlines};
        for (;;) {
            BOOST_OUTCOME_TRY(const auto batch,
                              from.read(settings.batch_events_max, settings.batch_bytes_max));
            if (batch.deliveries.empty())
                return report;
            BOOST_OUTCOME_TRY(drain_batch(session, from, batch));
            report.drained += batch.deliveries.size();
            if (settings.progress)
                settings.progress(report.drained);
        }
    } catch (...) {
        return to_error(current_failure(), settings.database_url, database_role::writer);
    }
}

} // namespace gateway
