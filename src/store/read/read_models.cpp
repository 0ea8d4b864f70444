// The order of calls that makes a rebuild safe beside a running applier; the work is SQL.
#include "gateway/store/read_models.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

namespace gateway {

namespace {

database_settings settings_for(const std::string& url, bool only_reads = false)
{
    return {.url = url,
            .application = "attentive-gateway read models",
            .statement_timeout = {},
            .only_reads = only_reads};
}

// "{company,identity}". The names are ours.
std::string array_of(const std::vector<std::string>& models)
{
    std::string out;
    for (const auto& model : models)
        out += (out.empty() ? "{" : ",") + model;
    return out.empty() ? "{}" : out + "}";
}

// Returns the batches taken.
std::uint64_t project_rest(pqxx::transaction_base& t, const std::string& models,
                           std::size_t events_max)
{
    return t.exec_params("SELECT gateway.rebuild_step($1::text[], $2)", models, events_max)[0][0]
        .as<std::uint64_t>();
}

} // namespace

const std::vector<std::string>& read_models()
{
    static const std::vector<std::string> names = {"company", "identity",   "consent", "message",
                                                   "order",   "engagement", "feed"};
    return names;
}

result<query_table> rebuild(const rebuild_settings& settings)
{
    const std::string models = array_of(settings.models);
    try {
        database db{settings_for(settings.database_url)};
        auto& connection = db.connection();
        pqxx::nontransaction{connection}.exec("SET temp_buffers = '64MB'; SET work_mem = '64MB'");
        pqxx::nontransaction{connection}.exec_params("SELECT gateway.rebuild_begin($1::text[])",
                                                     models);
        std::uint64_t batches = 0;
        for (;;) {
            pqxx::nontransaction step{connection};
            const auto taken = project_rest(step, models, settings.step_events_max);
            if (taken == 0)
                break;
            batches += taken;
            if (settings.progress)
                settings.progress(batches);
        }
        // From here on the applier waits; what it did since the last step is little.
        pqxx::work t{connection};
        t.exec("SELECT pg_advisory_xact_lock(gateway.projection_lock())");
        while (project_rest(t, models, settings.step_events_max) != 0) {
        }
        auto table =
            table_from(t.exec_params("SELECT * FROM gateway.rebuild_end($1::text[])", models));
        t.commit();
        return table;
    } catch (...) {
        return to_error(current_failure(server_text::kept), settings.database_url,
                        database_role::writer);
    }
}

result<query_table> split_identity(const std::string& database_url, const identity_split& split)
{
    try {
        database db{settings_for(database_url)};
        pqxx::work t{db.connection()};
        auto table = table_from(
            t.exec_params("SELECT * FROM gateway.split_identity($1, $2, $3, $4)", split.company,
                          to_string(split.subscriber), split.kind, split.undo));
        t.commit();
        return table;
    } catch (...) {
        return to_error(current_failure(server_text::kept), database_url, database_role::writer);
    }
}

result<query_table> explain_identity(const std::string& database_url, const std::string& company,
                                     const uuid& subscriber)
{
    try {
        database db{settings_for(database_url, true)};
        pqxx::read_transaction t{db.connection()};
        return table_from(
            t.exec_params("SELECT subscriber_id, first_seen_at, kind AS shared, masked AS value,"
                          " linked_to AS \"with\", passed_at AS passed_on_at"
                          " FROM gateway.explain_identity($1, $2)"
                          " ORDER BY step, first_seen_at, subscriber_id",
                          company, to_string(subscriber)));
    } catch (...) {
        return to_error(current_failure(server_text::kept), database_url, database_role::writer);
    }
}

} // namespace gateway
