// Calls of gateway.export_audience. See gateway/store/audience.hpp.
#include "gateway/store/audience.hpp"

#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

namespace gateway {
namespace {

constexpr std::chrono::minutes export_timeout{10};

database_settings settings_of_export(const std::string& url)
{
    return {.url = url,
            .application = "attentive-gateway audience",
            .statement_timeout = export_timeout};
}

} // namespace

result<query_table> list_audiences(const std::string& database_url)
{
    try {
        database db{settings_of_export(database_url)};
        pqxx::read_transaction t{db.connection()};
        return table_from(t.exec("SELECT name, for_company, meaning FROM report.audiences"
                                 " ORDER BY name, for_company"));
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::audience);
    }
}

result<query_table> export_audience(const std::string& database_url,
                                    const audience_request& request)
{
    try {
        database db{settings_of_export(database_url)};
        pqxx::work t{db.connection()};
        t.exec("SET LOCAL timezone = 'UTC'");
        const std::string columns = request.hash.empty() ? "*" : "address";
        auto table = table_from(t.exec_params(
            "SELECT " + columns + " FROM gateway.export_audience($1, $2, $3, nullif($4, ''), $5)",
            request.company_id, request.name, request.channel, request.hash,
            request.subscription_type));
        t.commit();
        return table;
    } catch (...) {
        const failure f = current_failure();
        if (f.sqlstate == "42704") // undefined_object
            return fail(errc::config_invalid, "there is no audience " + request.name +
                                                  "; attentive-gateway audience lists them");
        if (f.sqlstate == "55000") // object_not_in_prerequisite_state
            return fail(errc::database_failed,
                        "opt-outs may be missing from the reports, which are behind or refuse "
                        "events: see attentive-gateway doctor, and try again once they are in "
                        "step");
        return to_error(f, database_url, database_role::audience);
    }
}

} // namespace gateway
