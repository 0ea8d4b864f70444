#include "store/database/weak_database.hpp"
#include "gateway/base/log.hpp"
#include "store/database/database.hpp"

#include <string>

namespace gateway {

const char* const durability_query =
    "SELECT current_setting('fsync'), current_setting('full_page_writes')";

void refuse_weak(const pqxx::row& settings, bool accepted)
{
    const auto off = [&settings](int column) {
        return settings[column].as<std::string>() == "off";
    };
    if (off(0) && !accepted)
        throw weak_database{"PostgreSQL runs with fsync = off and can lose what it committed: set "
                            "fsync = on there and reload it, or accept the loss with "
                            "[database] accept_weak_durability = true"};
    if (off(0))
        write_log(severity::error, "durability_weak",
                  "PostgreSQL runs with fsync = off, as accepted by accept_weak_durability: events "
                  "answered 200 are lost if its host goes down");
    if (off(1))
        write_log(severity::error, "durability_weak",
                  "PostgreSQL runs with full_page_writes = off: a crash can damage its tables, "
                  "unless its file system never tears a page");
}

const char* const replication_query =
    "SELECT current_setting('synchronous_standby_names') <> '',"
    " (SELECT count(*) FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup')";

replication replication_of(const pqxx::row& row)
{
    return {row[0].as<bool>(), row[1].as<std::size_t>()};
}

std::string failover_loss(const replication& r)
{
    if (r.synchronous || r.standbys == 0)
        return {};
    return (r.standbys == 1 ? "a standby follows"
                            : std::to_string(r.standbys) + " standbys follow") +
           std::string{", and no commit waits for one (synchronous_standby_names is empty): a "
                       "failover loses what was answered 200 in the last moments before it"};
}

result<void> check_durability(const std::string& database_url, bool accepted)
{
    try {
        database db{{.url = database_url, .application = "attentive-gateway"}};
        refuse_weak(pqxx::nontransaction{db.connection()}.exec(durability_query)[0], accepted);
        return ok();
    } catch (...) {
        return to_error(current_failure());
    }
}

} // namespace gateway
