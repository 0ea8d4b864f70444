// `doctor` on the database: it is let in, asks, and writes and projects a batch that it rolls back,
// as the role that the gateway has.
#include "app/commands/doctor.hpp"
#include "app/config/secrets.hpp"
#include "app/config/units.hpp"
#include "app/daemon/health.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/store/database_trial.hpp"
#include "gateway/store/durability.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/stored_delivery.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <regex>

namespace gateway {
namespace {

namespace fs = std::filesystem;

constexpr double clock_difference_max = 5; // seconds
constexpr long connections_to_spare = 2;   // for this and a command beside the daemon

// One cell of a query; what was wrong otherwise.
result<std::string> one(database_trial& at, const std::string& sql)
{
    BOOST_OUTCOME_TRY(const auto table, at.ask(sql));
    return table.rows.empty() ? std::string{} : table.rows.front().front();
}

void check_clock(database_trial& at, diagnosis& found)
{
    const auto theirs = one(at, "SELECT extract(epoch FROM clock_timestamp())");
    if (!theirs)
        return;
    const double ours = std::chrono::duration<double>{now().time_since_epoch()}.count();
    const double apart = std::abs(ours - std::strtod(theirs.value().c_str(), nullptr));
    char state[64];
    std::snprintf(state, sizeof state, "%.1f s apart from the database's", apart);
    if (apart > clock_difference_max)
        found.doubtful("clock", state, "synchronize both hosts: timedatectl set-ntp true");
    else
        found.good("clock", state);
}

void check_replication(database_trial& at, diagnosis& found)
{
    const auto follows = at.follows();
    if (!follows)
        return;
    if (const auto loss = failover_loss(*follows); !loss.empty())
        found.risky("replication", loss, failover_remedy);
    else if (follows->synchronous)
        found.good("replication", "each commit waits for the standbys that the server names");
    else
        found.good("replication", "no standby follows just now");
}

void check_partitions(database_trial& at, diagnosis& found)
{
    const auto waiting = one(at, "SELECT gateway.default_rows()");
    if (!waiting)
        found.doubtful("partitions", waiting.error().detail, "see the schema");
    else if (waiting.value() == "0")
        found.good("partitions", "no row waits in a DEFAULT partition");
    else
        found.doubtful("partitions", waiting.value() + " rows wait in DEFAULT partitions",
                       default_remedy);
}

void check_applier(database_trial& at, diagnosis& found)
{
    const auto lag = at.ask("SELECT deliveries, events, extract(epoch FROM oldest)::bigint,"
                            " failed, refused, refusal FROM gateway.projection_lag()");
    if (!lag)
        return found.doubtful("read models", lag.error().detail, "see the line on writing");
    const auto& row = lag.value().rows.front();
    const std::chrono::seconds oldest{std::strtoll(row[2].c_str(), nullptr, 10)};
    if (row[3] != "0")
        return found.doubtful("read models", row[3] + " events could not be projected",
                              "see gateway.set_aside, then attentive-gateway rebuild");
    if (row[4] != "0")
        return found.doubtful("read models",
                              row[4] + " deliveries are refused by the database: " + row[5],
                              "they wait in the intake and are tried again; see the log of "
                              "PostgreSQL");
    if (oldest > std::chrono::minutes{1})
        return found.doubtful("read models",
                              row[0] + " deliveries and " + row[1] +
                                  " events wait, the oldest for " + rough_text(oldest),
                              "they catch up while the gateway runs; see its log");
    found.good("read models", row[0] + " deliveries and " + row[1] + " events wait");
}

void check_silence(database_trial& at, diagnosis& found)
{
    const auto feeds =
        at.ask("SELECT event_name, company_id, to_char(newest_event AT TIME ZONE 'UTC',"
               " 'YYYY-MM-DD\"T\"HH24:MI\"Z\"'), extract(epoch FROM usual_silence)::bigint,"
               " extract(epoch FROM silence)::bigint, is_silent FROM report.feed_silence"
               " ORDER BY silence");
    if (!feeds)
        return found.doubtful("silence", feeds.error().detail,
                              "attentive-gateway migrate, as the owner of the schema");
    const auto& rows = feeds.value().rows;
    const auto ago = [](const std::string& seconds) {
        return rough_text(std::chrono::seconds{std::strtoll(seconds.c_str(), nullptr, 10)});
    };
    const auto is_silent = [](const auto& row) { return row[5] == "t"; };
    if (rows.empty())
        return found.good("silence", "no event was projected yet");
    if (std::none_of(rows.begin(), rows.end(), is_silent))
        return found.good("silence", "the newest event came " + ago(rows.front()[4]) + " ago");
    for (const auto& row : rows) {
        if (is_silent(row))
            found.doubtful("silence",
                           "no " + row[0] + " of company " + row[1] + " since " + row[2] + ", " +
                               ago(row[4]) + "; its longest pause was " + ago(row[3]),
                           silence_remedy);
    }
}

void check_nobody(database_trial& at, diagnosis& found)
{
    const auto counted =
        at.ask("SELECT count(*), max(event_id::text) FROM report.opt_outs_of_nobody"
               " WHERE occurred_at > now() - interval '30 days'");
    if (!counted)
        return found.doubtful("opt-outs", counted.error().detail,
                              "attentive-gateway migrate, as the owner of the schema");
    const auto& row = counted.value().rows.front();
    if (row[0] == "0")
        return found.good("opt-outs", "all of the last 30 days are somebody's");
    found.doubtful("opt-outs", row[0] + " of the last 30 days name nobody, as event " + row[1],
                   "look at them in report.opt_outs_of_nobody, and opt those people out in "
                   "Attentive");
}

// The URL to look at; nothing when there is nothing to look at yet.
std::optional<std::string> url_of(const config& c, diagnosis& found)
{
    if (!c.database.embedded.empty()) {
        auto running = embedded_cluster::url_if_running(c.database.embedded);
        std::error_code ec;
        if (!running && fs::exists(c.database.embedded, ec) &&
            !fs::is_directory(c.database.embedded, ec))
            found.bad("database", c.database.embedded.string() + " is no directory",
                      "set database.embedded to a directory that the gateway may own");
        else if (!running)
            found.good("database", "embedded: it starts with the gateway");
        return running;
    }
    auto given = database_url(c);
    if (given)
        return std::move(given).value();
    found.bad("database", given.error().detail, "see [database] in README");
    return std::nullopt;
}

// Writers, applier, projector, observer, page and keeper, and with a spool its drainer.
long connections_of(const config& c)
{
    return static_cast<long>(c.database.writers) + 5 + (c.spool.directory.empty() ? 0 : 1);
}

std::string limit_remedy(const char* what, const std::string& name, long wanted)
{
    return std::string{"as an administrator: ALTER "} + what + " " + name + " CONNECTION LIMIT " +
           std::to_string(wanted + connections_to_spare) + ";";
}

// False when there is too little: more questions would only meet the same wall.
bool check_room(const config& c, database_trial& at, diagnosis& found)
{
    const auto room = at.room();
    if (!room)
        return true;
    const long wanted = connections_of(c);
    const auto too_few = [wanted](long limit) { return limit >= 0 && limit < wanted; };
    const auto state = [wanted](const std::string& of, long limit) {
        return of + " may have " + std::to_string(limit) + " connections, serve opens up to " +
               std::to_string(wanted);
    };
    if (too_few(room->role))
        found.bad("connections", state("role " + room->user, room->role),
                  limit_remedy("ROLE", room->user, wanted));
    else if (too_few(room->database))
        found.bad("connections", state("database " + room->name, room->database),
                  limit_remedy("DATABASE", room->name, wanted));
    else if (too_few(room->server))
        found.bad("connections", state("the server", room->server),
                  "raise max_connections there and restart it, or lower database.writers");
    else
        found.good("connections", "room for the " + std::to_string(wanted) + " of serve");
    return !too_few(room->role) && !too_few(room->database) && !too_few(room->server);
}

// What to raise, where the refusal says that there is no place left.
std::optional<std::string> full_remedy(const config& c, const std::string& refusal)
{
    static const std::regex limit{"too many connections for (role|database) (\".*\")"};
    std::smatch which;
    if (std::regex_search(refusal, which, limit))
        return limit_remedy(which[1] == "role" ? "ROLE" : "DATABASE", which[2], connections_of(c));
    if (refusal.find("too many clients") == std::string::npos &&
        refusal.find("connection slots") == std::string::npos)
        return std::nullopt;
    return "raise max_connections of the server and restart it, or end what else connects "
           "(pg_stat_activity)";
}

// A running gateway may have all places, as it should; then only this command is left outside.
void tell_refusal(const config& c, const database_fault& fault, bool is_running, diagnosis& found)
{
    const auto full = full_remedy(c, fault.what);
    if (full && is_running)
        found.doubtful("database",
                       "no connection is left for this beside the gateway: " + fault.what, *full);
    else if (c.spool.directory.empty() || fault.lasting)
        found.bad("database", fault.what, full.value_or(fault.remedy));
    else
        found.doubtful("database", fault.what,
                       fault.remedy + "; until then events go to the spool");
}

void check_writing(const config& c, database_trial& at, diagnosis& found)
{
    const auto seed = static_cast<std::uint64_t>(now().time_since_epoch().count());
    std::vector<verified_delivery> samples;
    for (std::string body : {unique_sample("sms.sent", seed, 0), std::string{"{}"}})
        samples.push_back(stored_delivery::rebuild(
            {.endpoint = "doctor", .body = std::move(body), .signatures = {}, .received_at = now()},
            "doctor"));
    if (const auto fault =
            at.write(samples, normalizer_of(phone_rule_of(c.subscribers)), c.limits.batch_deadline))
        found.bad("writing", fault->what, fault->remedy);
    else
        found.good("writing", "deliveries were written, applied and projected, and rolled back");
}

const char* schema_remedy(const error& e)
{
    const auto says = [&e](const char* part) { return e.detail.find(part) != std::string::npos; };
    if (e.code != errc::schema_mismatch)
        return "the gateway writes nothing without it";
    if (says("no schema") || says("older"))
        return "attentive-gateway migrate, as the owner of the schema";
    if (says("encoding"))
        return "name another database in database.url, and migrate it";
    return "install the version of attentive-gateway that this database belongs to";
}

bool check_schema_and_durability(const config& c, const std::string& url, diagnosis& found)
{
    if (const auto kept = check_durability(url, false); kept)
        found.good("durability", "the server keeps what it commits");
    else if (c.database.accept_weak_durability)
        found.risky("durability", kept.error().detail, "accepted by the configuration");
    else
        found.bad("durability", kept.error().detail, "the gateway does not write to such a server");
    const auto schema = check_schema(url);
    if (schema)
        found.good("schema", "as this version needs it");
    else
        found.bad("schema", schema.error().detail, schema_remedy(schema.error()));
    return schema.has_value();
}

} // namespace

void examine_database(const config& c, bool is_running, diagnosis& found)
{
    const auto url = url_of(c, found);
    if (!url)
        return;
    database_trial at{*url};
    if (at.refused())
        return tell_refusal(c, *at.refused(), is_running, found);
    const auto version = one(at, "SHOW server_version");
    found.good("database",
               "PostgreSQL " + (version ? version.value() : std::string{"?"}) + " answers");
    if (!check_room(c, at, found) || !check_schema_and_durability(c, *url, found))
        return;
    check_replication(at, found);
    check_writing(c, at, found);
    check_partitions(at, found);
    check_applier(at, found);
    check_silence(at, found);
    check_nobody(at, found);
    check_clock(at, found);
}

} // namespace gateway
