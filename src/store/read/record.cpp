// One call of gateway.record_event for each event. See gateway/store/record.hpp.
#include "gateway/store/record.hpp"

#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

namespace gateway {

result<void> record_events(const std::string& database_url,
                           const std::vector<recorded_event>& events)
{
    try {
        database db{{.url = database_url, .application = "attentive-gateway record"}};
        pqxx::work t{db.connection()};
        for (const recorded_event& e : events)
            t.exec_params("SELECT gateway.record_event($1, $2, $3, $4, $5, nullif($6, ''),"
                          " nullif($7, ''), nullif($8, '')::numeric, nullif($9, ''))",
                          e.source, e.event_name, e.company_id, to_string(e.occurred_at),
                          e.identifiers, e.page_url, e.order_id, e.order_value, e.currency);
        t.commit();
        return ok();
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::source);
    }
}

} // namespace gateway
