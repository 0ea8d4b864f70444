#include "gateway/store/drain_by_hand.hpp"
#include "store/database/missing_grant.hpp"
#include "store/write/batch_session.hpp"
#include "store/write/drainer.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace gateway {

result<drain_report> drain(spool& from, const drain_settings& settings)
{
    call_deadlines deadlines;
    drain_report report;
    try {
        batch_session session{settings, "drain by hand", deadlines};
        // What is refused goes to the end, behind all that stood here when this began.
        for (auto to_come = from.status().events; to_come > 0;) {
            BOOST_OUTCOME_TRY(auto batch,
                              from.read(std::min<std::uint64_t>(settings.batch_events_max, to_come),
                                        settings.batch_bytes_max));
            if (batch.deliveries.empty())
                break;
            const std::size_t rows = batch.deliveries.size();
            // What is written by now says that the database takes others.
            BOOST_OUTCOME_TRY(
                const auto done,
                drain_batch(session, from, std::move(batch), settings.map,
                            report.drained > 0 ? takes_others::yes : takes_others::unknown));
            report.kept += done.refused;
            report.drained += rows - done.refused;
            to_come -= rows;
            if (settings.progress)
                settings.progress(report.drained);
        }
        return report;
    } catch (...) {
        return to_error(current_failure(), settings.database_url, database_role::writer);
    }
}

} // namespace gateway
