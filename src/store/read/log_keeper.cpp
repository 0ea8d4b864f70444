// When to keep the partitions, and when to apply the retention. What a step is, and why it hurts
// nobody, is decided in SQL (write/default_partition.sql). Each time has a connection of its own:
// one a minute costs less than one that is held, and need not be watched.
#include "gateway/store/log_keeper.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/schema.hpp"
#include "store/read/retention.hpp"

#include <algorithm>

namespace gateway {
namespace {

using namespace std::chrono_literals;

// It may wait for a step of the applier and counts the rows, neither of which holds anybody up.
constexpr std::chrono::seconds keeper_limit{60};

constexpr worker::clock::duration keeper_pause{60s};
constexpr worker::clock::duration keeper_pause_min{1s};
constexpr int keeper_rest_factor = 50; // a step holds senders up for a part of its time

std::vector<std::string> keep_with(const std::string& database_url, call_deadlines& deadlines)
{
    database db{{.url = database_url,
                 .application = "attentive-gateway keeper",
                 .statement_timeout = keeper_limit}};
    auto& connection = db.connection();
    const call_deadlines::guard until{deadlines, connection.sock(), keeper_limit};
    expect_schema(connection);
    pqxx::nontransaction t{connection};
    std::vector<std::string> filled;
    for (const std::string table : {"source_event", "intake"}) {
        const auto left = t.exec_params("SELECT gateway.empty_default($1)", table)[0][0];
        if (!left.is_null())
            filled.push_back(left.as<std::string>());
        t.exec_params("SELECT gateway.make_ahead($1)", table);
    }
    return filled;
}

} // namespace

result<std::vector<std::string>> keep_partitions(const std::string& database_url)
{
    try {
        call_deadlines deadlines;
        return keep_with(database_url, deadlines);
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::writer);
    }
}

struct log_keeper::implementation {
    implementation(std::string u, const retention_settings& r) : url(std::move(u)), retention(r) {}

    void run(worker& self);
    worker::clock::duration keep(worker& self);
    void failed(worker& self);
    bool retain(worker& self);

    const std::string url;
    const retention_settings retention;
    call_deadlines deadlines;
    log_limit failed_log;
    worker thread{"keeper", [this](worker& self) { run(self); }};
};

void log_keeper::implementation::run(worker& self)
{
    auto retention_due = worker::clock::now() + 30s;
    worker::clock::duration rest{};
    while (self.rest(rest)) {
        if (worker::clock::now() >= retention_due)
            retention_due =
                worker::clock::now() + (retain(self) ? worker::clock::duration{24h} : 1h);
        rest =
            std::min(keep(self), std::max(retention_due - worker::clock::now(), keeper_pause_min));
    }
}

// Returns how long to rest.
worker::clock::duration log_keeper::implementation::keep(worker& self)
{
    const auto began = worker::clock::now();
    std::vector<std::string> filled;
    try {
        filled = keep_with(url, deadlines);
    } catch (...) {
        failed(self);
    }
    for (const auto& each : filled)
        write_log(severity::info, "partition_filled",
                  "rows that waited in DEFAULT are in gateway.{db.collection.name}",
                  {{"db.collection.name", each}});
    return filled.empty() ? keeper_pause
                          : std::clamp((worker::clock::now() - began) * keeper_rest_factor,
                                       keeper_pause_min, keeper_pause);
}

void log_keeper::implementation::failed(worker& self)
{
    if (self.is_stopping()) // which cuts the call
        return;
    const error why = to_error(current_failure(), url, database_role::writer);
    write_log(failed_log, severity::warn, "partitions_not_kept",
              "the log's partitions are not kept for now: {error.message}",
              {{"error.type", name(why.code)}, {"error.message", why.detail}});
}

bool log_keeper::implementation::retain(worker& self)
{
    const auto dropped = apply_retention(url, retention, deadlines);
    if (!dropped && self.is_stopping())
        return false;
    if (!dropped) {
        write_log(severity::warn, "retention_failed",
                  "retention was not applied, next try in an hour: {error.message}",
                  {{"error.type", name(dropped.error().code)},
                   {"error.message", dropped.error().detail}});
        return false;
    }
    for (const auto& each : dropped.value())
        write_log(severity::info, "retention_applied",
                  "retention dropped {db.collection.name} (about {attentive.row.count} rows)",
                  {{"db.collection.name", each.what}, {"attentive.row.count", each.rows}});
    return true;
}

log_keeper::log_keeper(std::string database_url, const retention_settings& retention)
    : implementation_{std::make_unique<implementation>(std::move(database_url), retention)}
{
}

log_keeper::~log_keeper()
{
    stop();
}

void log_keeper::stop()
{
    implementation_->thread.stop();
    implementation_->deadlines.end_all();
}

} // namespace gateway
