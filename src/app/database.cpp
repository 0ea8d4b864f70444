#include "gateway/app/database.hpp"

#include "gateway/app/secrets.hpp"

namespace gateway {

result<open_database> open(const config& c)
{
    open_database opened;
    if (c.database.embedded.empty()) {
        BOOST_OUTCOME_TRY(opened.url, database_url(c));
        return opened;
    }
    BOOST_OUTCOME_TRY(auto cluster, embedded_cluster::start(c.database.embedded));
    opened.url = cluster.url();
    opened.cluster.emplace(std::move(cluster));
    return opened;
}

} // namespace gateway
