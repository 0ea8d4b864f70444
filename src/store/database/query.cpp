#include "store/database/query.hpp"

#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

namespace gateway {

query_table table_from(const pqxx::result& rows)
{
    query_table table;
    for (pqxx::row::size_type column = 0; column < rows.columns(); ++column)
        table.columns.emplace_back(rows.column_name(column));
    for (const auto& row : rows) {
        auto& cells = table.rows.emplace_back();
        for (const auto& field : row)
            cells.emplace_back(field.is_null() ? "" : field.c_str());
    }
    return table;
}

result<query_table> query(const std::string& database_url, const std::string& sql,
                          const std::vector<std::string>& parameters)
{
    try {
        database db{{.url = database_url, .application = "attentive-gateway", .only_reads = true}};
        pqxx::read_transaction transaction{db.connection()};
        return table_from(transaction.exec_params(
            sql, pqxx::prepare::make_dynamic_params(parameters.begin(), parameters.end())));
    } catch (...) {
        return to_error(current_failure(server_text::kept), database_url, database_role::writer);
    }
}

} // namespace gateway
