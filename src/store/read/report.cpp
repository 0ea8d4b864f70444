// Statements on the catalogue and on one view. Names and values are quoted by the connection.
#include "gateway/store/report.hpp"

#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

#include <algorithm>
#include <array>

namespace gateway {
namespace {

// What a view may be filtered and ordered by; the first that it has. Days after times: a time
// prunes partitions.
constexpr std::array<const char*, 9> time_columns = {
    "occurred_at", "clicked_at", "day",          "last_sent_at", "decided_at",
    "received_at", "hour",       "newest_event", "committed_at"};

// A person waits for the answer.
constexpr std::chrono::minutes statement_timeout{5};

database_settings settings_for(const std::string& url)
{
    return {.url = url,
            .application = "attentive-gateway report",
            .statement_timeout = statement_timeout,
            .only_reads = true};
}

std::vector<std::string> columns_of(pqxx::transaction_base& t, const std::string& view)
{
    std::vector<std::string> names;
    for (const auto& row :
         t.exec_params("SELECT attname FROM pg_attribute WHERE attnum > 0"
                       " AND attrelid = to_regclass('report.' || quote_ident($1)) ORDER BY attnum",
                       view))
        names.push_back(row[0].as<std::string>());
    return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string time_column(const std::vector<std::string>& columns)
{
    for (const char* name : time_columns) {
        if (contains(columns, name))
            return name;
    }
    return {};
}

// `parameter` as the type of `column`: a day, or a time.
std::string bound(const std::string& column, const std::string& parameter)
{
    const std::string at = parameter + "::timestamptz";
    return column == "day" ? "(" + at + " AT TIME ZONE 'UTC')::date" : at;
}

std::string no_column(const std::string& view, const std::string& column,
                      const std::vector<std::string>& columns)
{
    std::string known;
    for (const auto& name : columns)
        known += (known.empty() ? "" : ", ") + name;
    return view + " has no column " + column + "; it has " + known;
}

// Only what restricts appears as a condition.
result<std::string> statement(pqxx::transaction_base& t, const report_request& request)
{
    const auto columns = columns_of(t, request.name);
    const std::string time = time_column(columns);
    if (!request.company.empty() && !contains(columns, "company_id"))
        return fail(errc::config_invalid, request.name + " holds no company: leave out --company");
    if ((request.since || request.until) && time.empty())
        return fail(errc::config_invalid,
                    request.name + " tells the state of now: leave out --since and --until");
    std::string chosen;
    for (const auto& column : request.columns) {
        if (!contains(columns, column))
            return fail(errc::config_invalid, no_column(request.name, column, columns));
        chosen += (chosen.empty() ? "" : ", ") + t.quote_name(column);
    }
    std::string sql = std::string{"SELECT "} + (request.as_json ? "row_to_json(r)" : "r.*") +
                      " FROM (SELECT " + (chosen.empty() ? "*" : chosen) +
                      " FROM (SELECT * FROM report." + t.quote_name(request.name) + " WHERE true";
    if (!request.company.empty())
        sql += " AND company_id = " + t.quote(request.company);
    if (request.since)
        sql += " AND " + time + " >= " + bound(time, t.quote(to_string(*request.since)));
    if (request.until)
        sql += " AND " + time + " < " + bound(time, t.quote(to_string(*request.until)));
    sql += " ORDER BY ";
    if (!time.empty())
        sql += time + " DESC NULLS LAST, ";
    for (std::size_t n = 1; n <= std::min<std::size_t>(columns.size(), 8); ++n)
        sql += (n == 1 ? "" : ", ") + std::to_string(n);
    return sql + " LIMIT " + std::to_string(request.limit) + ") q) r";
}

} // namespace

result<std::vector<report_name>> list_reports(const std::string& database_url)
{
    try {
        database db{settings_for(database_url)};
        pqxx::read_transaction t{db.connection()};
        std::vector<report_name> out;
        for (const auto& row :
             t.exec("SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), '')"
                    " FROM pg_class c WHERE c.relnamespace = to_regnamespace('report')"
                    " AND c.relkind = 'v' ORDER BY 1"))
            out.push_back({row[0].as<std::string>(), row[1].as<std::string>()});
        return out;
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::reader);
    }
}

result<query_table> read_report(const std::string& database_url, const report_request& request)
{
    try {
        database db{settings_for(database_url)};
        pqxx::read_transaction t{db.connection()};
        t.exec("SET LOCAL timezone = 'UTC'; SET LOCAL jit = off");
        BOOST_OUTCOME_TRY(const auto sql, statement(t, request));
        return table_from(t.exec(sql));
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::reader);
    }
}

} // namespace gateway
