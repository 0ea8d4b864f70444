// What the tests' clusters have in common: where they live, and a template with the schema that
// each test's database is a copy of.
#include "support/cluster.hpp"
#include "gateway/store/applier.hpp"
#include "gateway/store/migrations.hpp"
#include "support/events.hpp"
#include "support/process.hpp"
#include "support/waiting.hpp"

#include <pqxx/pqxx>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <regex>

namespace gateway::test {

using namespace std::chrono_literals;

namespace {

// The directory goes after the cluster has stopped.
struct running_cluster {
    temporary_directory directory;
    std::optional<embedded_cluster> cluster;

    running_cluster()
    {
        auto started = embedded_cluster::start(directory / "postgres");
        if (started.has_error()) {
            std::fprintf(stderr, "no test cluster: %s\n", started.error().detail.c_str());
            std::abort();
        }
        cluster.emplace(std::move(started).value());
        if (const auto migrated = migrate(cluster->url()); migrated.has_error()) {
            std::fprintf(stderr, "no test schema: %s\n", migrated.error().detail.c_str());
            std::abort();
        }
    }
};

std::string create_database(const std::string& source)
{
    static std::atomic<int> number{0};
    const std::string name = "test_" + std::to_string(++number);
    std::string url = shared_cluster().url();
    const auto at = url.find("/gateway?");
    const auto maintenance = std::string{url}.replace(at, 9, "/postgres?");
    query(maintenance, "CREATE DATABASE " + name + " TEMPLATE " + source);
    return url.replace(at, 9, "/" + name + "?");
}

} // namespace

embedded_cluster& shared_cluster()
{
    static running_cluster instance;
    return *instance.cluster;
}

// A copy has no settings of its original: without this one, reports were compiled for seconds.
std::string fresh_database()
{
    const std::string url = create_database("gateway");
    set_for_database(url, "jit", "off");
    return url;
}

std::string empty_database()
{
    return create_database("template0");
}

std::string as_user(const std::string& url, const std::string& user)
{
    return std::string{url}.replace(url.find("//") + 2, std::string{"postgres"}.size(), user);
}

void set_for_database(const std::string& url, const std::string& setting, const std::string& to)
{
    query(url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET " + setting +
                   " = %L', current_database(), '" + to + "'); END $$");
}

void apply_all(const std::string& url)
{
    apply_all(url, as_known);
}

void apply_all(const std::string& url, const mapping_function& map)
{
    if (const auto done = apply_waiting(url, map); done.has_error())
        throw std::runtime_error{done.error().detail};
}

namespace {

bool nothing_waits(const std::string& url)
{
    pqxx::connection connection{url};
    const pqxx::quiet_errorhandler quiet{connection};
    return pqxx::nontransaction{connection}
        .exec("SELECT NOT EXISTS (SELECT FROM gateway.intake_waiting"
              " WHERE not_before IS NULL OR not_before <= clock_timestamp())")[0][0]
        .as<bool>();
}

// Whether a statement reads what is applied, rather than the intake itself.
bool reads_log(const std::string& sql)
{
    static const std::regex derived{
        "source_event|gateway\\.(quarantine|delivery|step|erase|project\\(|rebuild|read_model)|"
        "report(_pii)?\\."};
    static const std::regex changes{"^ *(ALTER|CREATE|DROP|GRANT|REVOKE|LOCK|BEGIN)"};
    return std::regex_search(sql, derived) && !std::regex_search(sql, changes);
}

} // namespace

void await_applied(const std::string& url, const std::string& sql)
{
    if (!reads_log(sql))
        return;
    try {
        if (nothing_waits(url))
            return;
        // One that was stopped applies nothing.
        if (gateways_running == 0 || !becomes([&] { return nothing_waits(url); }, 3s))
            apply_all(url);
    } catch (const std::exception&) { // no schema, no right, an outage: the statement says so
    }
}

std::vector<std::vector<std::string>> query(const std::string& url, const std::string& sql)
{
    await_applied(url, sql);
    pqxx::connection connection{url};
    const pqxx::quiet_errorhandler quiet{connection};
    const auto result = pqxx::nontransaction{connection}.exec(sql);
    std::vector<std::vector<std::string>> rows;
    for (const auto& row : result) {
        rows.emplace_back();
        for (const auto& field : row)
            rows.back().emplace_back(field.is_null() ? "NULL" : field.c_str());
    }
    return rows;
}

std::string value(const std::string& url, const std::string& sql)
{
    return query(url, sql).at(0).at(0);
}

} // namespace gateway::test
