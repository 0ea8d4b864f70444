// Statements on gateway.quarantine, and the replay. Filters are typed values of ours, so they are
// put into the text of a statement; ids of pages and marks go as parameters.
#include "gateway/store/quarantine.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "store/database/call_deadlines.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/query.hpp"
#include "store/write/intake_session.hpp"
#include "store/write/pending.hpp"

#include <span>
#include <utility>

namespace gateway {

namespace {

database_settings settings_for(const std::string& url, bool only_reads = false)
{
    return {.url = url,
            .application = "attentive-gateway quarantine",
            .statement_timeout = {},
            .only_reads = only_reads};
}

// " AND ..." for each restriction.
std::string conditions(const quarantine_filter& only)
{
    std::string out;
    if (only.id)
        out += " AND quarantine_id = '" + to_string(*only.id) + "'";
    if (only.reason)
        out += " AND reason = '" + std::string{name(*only.reason)} + "'";
    if (only.since)
        out += " AND received_at >= '" + to_string(*only.since) + "'";
    return out;
}

std::string shown_time(const std::string& column)
{
    return "to_char(" + column + " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
}

std::string bytes_of(const pqxx::field& field)
{
    return pqxx::binarystring{field}.str();
}

// A waiting row, and where in the order of pages it stands.
struct waiting {
    std::string received_at; // in the database's own words
    std::string id;
    verified_delivery delivery;
};

// Walks over what waits, oldest first. Rows that stay are passed by, because the next page begins
// behind the last row of this one.
class waiting_pages {
public:
    waiting_pages(pqxx::connection& connection, const replay_settings& settings)
        : connection_(connection), settings_(settings)
    {
    }

    // At most so many rows and about so many bytes, one row at least; empty at the end.
    std::vector<waiting> next()
    {
        const auto rows = pqxx::nontransaction{connection_}.exec_params(
            "SELECT received_at, quarantine_id, endpoint, key_id, body,"
            " (extract(epoch FROM received_at) * 1000)::bigint FROM ("
            " SELECT *, sum(octet_length(body)) OVER (ORDER BY received_at, quarantine_id)"
            " - octet_length(body) AS before FROM ("
            " SELECT received_at, quarantine_id, endpoint, key_id, body FROM gateway.quarantine"
            " WHERE replayed_at IS NULL AND (received_at, quarantine_id) > ($1, $2)" +
                conditions(settings_.only) +
                " ORDER BY received_at, quarantine_id LIMIT $3) page) measured"
                " WHERE before < $4 ORDER BY received_at, quarantine_id",
            last_received_at_, last_id_, settings_.batch_events_max, settings_.batch_bytes_max);
        std::vector<waiting> out;
        for (const auto& row : rows) {
            const timestamp received_at{std::chrono::milliseconds{row[5].as<std::int64_t>()}};
            out.push_back({row[0].as<std::string>(), row[1].as<std::string>(),
                           stored_delivery::rebuild({.endpoint = row[2].as<std::string>(),
                                                     .body = bytes_of(row[4]),
                                                     .signatures = {},
                                                     .received_at = received_at},
                                                    row[3].as<std::string>())});
        }
        if (!out.empty()) {
            last_received_at_ = out.back().received_at;
            last_id_ = out.back().id;
        }
        return out;
    }

private:
    pqxx::connection& connection_;
    const replay_settings& settings_;
    std::string last_received_at_ = "-infinity";
    std::string last_id_ = to_string(uuid{});
};

class replayer {
public:
    explicit replayer(const replay_settings& settings)
        : settings_(settings), database_(settings_for(settings.database_url))
    {
        if (!settings_.dry_run) // looks at all that a writer looks at
            intake_session{settings_, "quarantine replay", deadlines_};
    }

    replay_report run()
    {
        waiting_pages pages{database_.connection(), settings_};
        for (auto page = pages.next(); !page.empty(); page = pages.next()) {
            report_.examined += page.size();
            const auto deliveries = mapped(page);
            if (!settings_.dry_run && !deliveries.empty())
                append(deliveries);
            if (settings_.progress)
                settings_.progress(report_.examined);
        }
        return std::move(report_);
    }

private:
    // Those that are events by today's mapping; the others are counted.
    delivery_list mapped(const std::vector<waiting>& page)
    {
        delivery_list events;
        for (const auto& row : page) {
            const auto what = settings_.map(row.delivery);
            if (const auto* refused = std::get_if<quarantined>(&what))
                ++report_.left[refused->reason];
            else
                events.push_back(&row.delivery);
        }
        report_.mapped += events.size();
        return events;
    }

    // Back into the intake and out of what waits, in one transaction. Rows in order of the key, as
    // others lock them.
    void append(const delivery_list& deliveries)
    {
        std::string ids;
        for (const auto* d : deliveries)
            ids += (ids.empty() ? "{" : ",") + to_string(quarantine_id(*d));
        auto& connection = database_.connection();
        const call_deadlines::guard limit{deadlines_, connection.sock(), settings_.batch_deadline};
        pqxx::work t{connection};
        append_deliveries(t, read_intake_type(t), "quarantine replay", deliveries);
        t.exec_params("WITH locked AS (SELECT quarantine_id FROM gateway.quarantine"
                      " WHERE quarantine_id = ANY ($1::uuid[]) AND replayed_at IS NULL"
                      " ORDER BY quarantine_id FOR UPDATE)"
                      " UPDATE gateway.quarantine q SET replayed_at = clock_timestamp()"
                      " FROM locked WHERE q.quarantine_id = locked.quarantine_id",
                      ids + "}");
        t.commit();
    }

    const replay_settings& settings_;
    database database_;
    call_deadlines deadlines_;
    replay_report report_;
};

} // namespace

result<quarantine_listing> list_quarantine(const std::string& database_url,
                                           const quarantine_filter& only, std::size_t limit)
{
    const std::string where =
        " FROM gateway.quarantine WHERE replayed_at IS NULL" + conditions(only);
    BOOST_OUTCOME_TRY(
        auto rows,
        query(database_url, "SELECT quarantine_id AS id, reason, detail->0->>'field' AS field,"
                            " detail->0->>'found' AS found, endpoint, deliveries AS times, " +
                                shown_time("received_at") + " AS received_at, " +
                                shown_time("last_received_at") + " AS last_received_at" + where +
                                " ORDER BY quarantine.received_at DESC, quarantine_id DESC"
                                " LIMIT " +
                                std::to_string(limit)));
    BOOST_OUTCOME_TRY(const auto count, query(database_url, "SELECT count(*)" + where));
    return quarantine_listing{std::move(rows), std::stoull(count.rows.at(0).at(0))};
}

result<std::optional<quarantine_entry>> read_quarantine(const std::string& database_url,
                                                        const uuid& id)
{
    try {
        database db{settings_for(database_url, true)};
        pqxx::nontransaction t{db.connection()};
        const auto rows = t.exec_params(
            "SELECT endpoint, reason, key_id, version, deliveries, " + shown_time("received_at") +
                ", " + shown_time("last_received_at") + ", coalesce(" + shown_time("replayed_at") +
                ", ''), body FROM gateway.quarantine WHERE quarantine_id = $1",
            to_string(id));
        if (rows.empty())
            return std::nullopt;
        const auto text = [row = rows[0]](int column) { return row[column].as<std::string>(); };
        quarantine_entry out{.endpoint = text(0),
                             .reason = text(1),
                             .key_id = text(2),
                             .version = text(3),
                             .deliveries = rows[0][4].as<int>(),
                             .received_at = text(5),
                             .last_received_at = text(6),
                             .replayed_at = text(7),
                             .faults = {},
                             .body = bytes_of(rows[0][8])};
        const auto faults =
            t.exec_params("SELECT coalesce(f->>'field', ''), coalesce(f->>'found', ''),"
                          " coalesce(f->>'expected', '') FROM gateway.quarantine,"
                          " jsonb_array_elements(detail) AS f WHERE quarantine_id = $1",
                          to_string(id));
        for (const auto& f : faults)
            out.faults.push_back(
                {f[0].as<std::string>(), f[1].as<std::string>(), f[2].as<std::string>()});
        return out;
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::writer);
    }
}

result<replay_report> replay_quarantine(const replay_settings& settings)
{
    try {
        return replayer{settings}.run();
    } catch (...) {
        return to_error(current_failure(), settings.database_url, database_role::writer);
    }
}

} // namespace gateway
