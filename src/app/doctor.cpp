// `doctor`: looks at everything that a gateway on this host stands on, one line each, and says
// what to do where something is wrong. It changes nothing, and may run beside the gateway. Only
// what would lose or refuse events makes it exit with 1; the rest are warnings.
#include "gateway/app/command_line.hpp"
#include "gateway/app/commands.hpp"
#include "gateway/app/config.hpp"
#include "gateway/app/gauges.hpp"
#include "gateway/app/log.hpp"
#include "gateway/app/secrets.hpp"
#include "gateway/app/stores.hpp"
#include "gateway/app/units.hpp"
#include "gateway/listener/listener.hpp"
#include "gateway/listener/tls.hpp"
#include "gateway/store/durability.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/query.hpp"
#include "settings.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gateway {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr const char* state_directory = "/var/lib/attentive-gateway"; // StateDirectory= makes it
constexpr const char* unit = "/usr/lib/systemd/system/attentive-gateway.service";
constexpr std::chrono::days certificate_warning{14};
constexpr double clock_difference_max = 5; // seconds

// Prints as it goes: a check that hangs shows which one it is.
class findings {
public:
    void good(const char* what, const std::string& state) { print("ok", what, state, {}); }
    void doubtful(const char* what, const std::string& state, const std::string& remedy)
    {
        print("warn", what, state, remedy);
        ++warnings_;
    }
    void bad(const char* what, const std::string& state, const std::string& remedy)
    {
        print("FAIL", what, state, remedy);
        ++faults_;
    }

    int conclude() const
    {
        if (faults_ == 0)
            std::printf("Nothing here loses or refuses events%s.\n",
                        warnings_ == 0 ? "" : "; see the warnings above");
        else
            std::printf("%d of these %s events lost or refused.\n", faults_,
                        faults_ == 1 ? "gets" : "get");
        return faults_ == 0 ? exit_ok : exit_failed;
    }

private:
    static void print(const char* mark, const char* what, const std::string& state,
                      const std::string& remedy)
    {
        std::string line = state + (remedy.empty() ? "" : " -> " + remedy);
        std::replace(line.begin(), line.end(), '\n', ' '); // libpq says some things in two lines
        std::erase(line, '\t');
        std::printf("%-4s %-13s %s\n", mark, what, line.c_str());
        std::fflush(stdout);
    }

    int faults_ = 0;
    int warnings_ = 0;
};

bool world_readable(const fs::path& file)
{
    struct stat status {};
    return !file.empty() && ::stat(file.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

void check_keys(const config& c, findings& found)
{
    for (const auto& endpoint : c.endpoints) {
        const auto keys = read_signing_keys(endpoint);
        const auto made = keys ? verifier::make(keys.value()) : result<verifier>{keys.error()};
        if (made)
            found.good("signing keys", "endpoint " + endpoint.name + ": " +
                                           std::to_string(keys.value().size()) + " readable");
        else
            found.bad("signing keys", made.error().detail,
                      "copy the key from Attentive's app settings to where the configuration "
                      "says; credentials of the service are for root only");
    }
}

void check_certificate(const config& c, findings& found)
{
    if (c.listener.tls_certificate.empty()) {
        if (c.listener.behind_tls_proxy)
            found.doubtful("certificate", "none: plain HTTP behind a proxy",
                           "let nobody but the proxy reach " + c.listener.address);
        else
            found.good("certificate", "none: plain HTTP on a loopback address");
        return;
    }
    const auto tls = load_tls_context(c.listener.tls_certificate, c.listener.tls_private_key);
    if (!tls) {
        found.bad("certificate", tls.error().detail, "senders cannot connect without it");
        return;
    }
    const auto ends = expires_at(tls.value());
    if (ends - now() < certificate_warning)
        found.doubtful("certificate", "expires at " + to_string(ends), "renew it now");
    else
        found.good("certificate", "valid until " + to_string(ends));
}

void check_permissions(const config& c, findings& found)
{
    std::vector<fs::path> secrets = {c.listener.tls_private_key};
    for (const auto& endpoint : c.endpoints) {
        for (const auto& key : endpoint.signing_keys)
            secrets.emplace_back(key.secret.file);
    }
    if (c.database.password)
        secrets.emplace_back(c.database.password->file);
    if (c.admin.token)
        secrets.emplace_back(c.admin.token->file);
    const auto open_one = std::find_if(secrets.begin(), secrets.end(), world_readable);
    if (open_one == secrets.end())
        found.good("permissions", "no secret is readable by everybody");
    else
        found.doubtful("permissions", open_one->string() + " is readable by everybody",
                       "chmod o-r " + open_one->string());
}

void check_admin(const config& c, findings& found)
{
    if (const auto token = read_admin_token(c); !token)
        found.bad("admin port", token.error().detail, "the gateway does not start without it");
    else if (token.value().empty() && !is_loopback(c.admin.address))
        found.doubtful("admin port", c.admin.address + " is open to the network, without a token",
                       "set token in [admin], or bind it to 127.0.0.1");
    else
        found.good("admin port",
                   c.admin.address + (token.value().empty() ? ", loopback" : ", with a token"));
}

void check_files(const config& c, findings& found)
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto wanted = c.limits.connections_max + 100;
    const std::string state = std::to_string(limit.rlim_max) + " open files allowed here, " +
                              std::to_string(wanted) + " wanted for limits.connections_max";
    if (limit.rlim_max < wanted)
        found.doubtful("open files", state, "the service's own limit is LimitNOFILE= of its unit");
    else
        found.good("open files", state);
}

// One cell of a query; what was wrong otherwise.
result<std::string> ask(const std::string& url, const std::string& sql)
{
    BOOST_OUTCOME_TRY(const auto table, query(url, sql));
    return table.rows.empty() ? std::string{} : table.rows.front().front();
}

void check_clock(const std::string& url, findings& found)
{
    const auto theirs = ask(url, "SELECT extract(epoch FROM clock_timestamp())");
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

void check_rights(const std::string& url, findings& found)
{
    const auto allowed =
        ask(url, "SELECT CASE WHEN pg_is_in_recovery() THEN 'a standby' WHEN "
                 "current_setting('transaction_read_only') = 'on' AND "
                 "current_setting('default_transaction_read_only') = 'on' THEN 'read-only' WHEN "
                 "NOT bool_and(has_function_privilege(oid, 'EXECUTE')) THEN 'without rights' ELSE "
                 "'' END FROM pg_proc WHERE pronamespace = 'gateway'::regnamespace AND proname = "
                 "'write_batch'");
    if (allowed && allowed.value().empty())
        found.good("rights", "this user may write batches");
    else if (allowed)
        found.bad("rights", "the database is " + allowed.value() + " for this user",
                  "connect to the primary as a member of gateway_writer, see README");
    else
        found.bad("rights", allowed.error().detail, "connect as a member of gateway_writer");
}

void check_partitions(const std::string& url, findings& found)
{
    // Estimates, which everybody may read: the gateway's own role may not select from partitions.
    const auto waiting =
        ask(url, "SELECT pg_stat_get_live_tuples('gateway.source_event_default'::regclass) + "
                 "pg_stat_get_live_tuples('gateway.delivery_default'::regclass)");
    if (!waiting)
        found.doubtful("partitions", waiting.error().detail, "see the schema");
    else if (waiting.value() == "0")
        found.good("partitions", "no row waits in a DEFAULT partition");
    else
        found.doubtful("partitions",
                       "about " + waiting.value() + " rows wait in DEFAULT partitions",
                       "they move when a partition of their time is made; see the log");
}

void check_projector(const std::string& url, findings& found)
{
    const auto lag = query(url, "SELECT batches, events, extract(epoch FROM oldest)::bigint,"
                                " failed FROM gateway.projection_lag()");
    if (!lag)
        return found.doubtful("read models", lag.error().detail,
                              "connect as a member of gateway_writer");
    const auto& row = lag.value().rows.front();
    const std::chrono::seconds oldest{std::strtoll(row[2].c_str(), nullptr, 10)};
    if (row[3] != "0")
        return found.doubtful("read models", row[3] + " batches could not be projected",
                              "see set_aside_error in gateway.batch, then attentive-gateway "
                              "rebuild");
    if (oldest > std::chrono::minutes{1})
        return found.doubtful("read models",
                              row[1] + " events wait, the oldest for " + rough_text(oldest),
                              "they catch up while the gateway runs; see its log");
    found.good("read models", row[1] + " events wait");
}

void check_silence(const std::string& url, findings& found)
{
    const auto feeds =
        query(url, "SELECT event_name, company_id, to_char(newest_event AT TIME ZONE 'UTC',"
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

void check_database(const config& c, findings& found)
{
    const bool spooled = !c.spool.directory.empty();
    std::string url;
    if (c.database.embedded.empty()) {
        const auto given = database_url(c);
        if (!given)
            return found.bad("database", given.error().detail, "see [database] in README");
        url = given.value();
    } else {
        auto running = embedded_cluster::url_if_running(c.database.embedded);
        if (!running)
            return found.good("database", "embedded: it starts with the gateway");
        url = std::move(*running);
    }
    const auto version = ask(url, "SHOW server_version");
    if (!version) {
        const std::string remedy = "check database.url, the server, its pg_hba.conf and the way "
                                   "to it";
        if (spooled)
            return found.doubtful("database", version.error().detail,
                                  remedy + "; until then events go to the spool");
        return found.bad("database", version.error().detail, remedy);
    }
    found.good("database", "PostgreSQL " + version.value() + " answers");
    if (const auto kept = check_durability(url, false); kept)
        found.good("durability", "the server keeps what it commits");
    else if (c.database.accept_weak_durability)
        found.doubtful("durability", kept.error().detail, "accepted by the configuration");
    else
        found.bad("durability", kept.error().detail, "the gateway does not write to such a server");
    if (const auto schema = check_schema(url); schema)
        found.good("schema", "as this version needs it");
    else
        return found.bad("schema", schema.error().detail,
                         "attentive-gateway migrate --config FILE");
    check_rights(url, found);
    check_partitions(url, found);
    check_projector(url, found);
    check_silence(url, found);
    check_clock(url, found);
}

void check_spool(const config& c, findings& found)
{
    const fs::path& directory = c.spool.directory;
    if (directory.empty())
        return found.doubtful("spool", "none: while the database is away, events get 503",
                              "set spool.directory to a directory on a local disk");
    std::error_code ec;
    if (!fs::exists(directory, ec)) {
        const bool can_be_made = ::access(directory.parent_path().c_str(), W_OK) == 0;
        if (can_be_made)
            return found.good("spool", directory.string() + " will be made at the start");
        if (directory.parent_path() == state_directory && fs::exists(unit, ec))
            return found.doubtful("spool", directory.string() + " is not there yet",
                                  "systemctl start attentive-gateway makes it");
        return found.bad("spool", directory.string() + " cannot be made",
                         "make its parent, writable for the gateway's user");
    }
    if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0)
        return found.bad("spool", directory.string() + " is not writable",
                         "chown it to the gateway's user, or run this as that user");
    std::uint64_t used = 0;
    std::size_t damaged = 0;
    for (const auto& entry : fs::directory_iterator{directory, ec}) {
        std::error_code gone; // the gateway deletes what it drained
        const auto size = entry.file_size(gone);
        used += gone ? 0 : size;
        damaged += entry.path().extension() == ".damaged" ? 1 : 0;
    }
    const auto free = fs::space(directory, ec).available;
    if (damaged > 0)
        found.doubtful("spool", std::to_string(damaged) + " damaged files were set aside",
                       "attentive-gateway spool verify; check the disk");
    if (used + free < c.spool.bytes_max)
        return found.doubtful("spool",
                              "the disk has room for " + size_text((used + free) >> 20U << 20U) +
                                  ", less than spool.bytes_max",
                              "free space, or lower spool.bytes_max");
    found.good("spool", directory.string() + ", " + std::to_string(used >> 20U) + " MiB of " +
                            size_text(c.spool.bytes_max) + " used");
}

// What the admin port says of a gateway that runs; nothing when none answers.
std::optional<std::string> running_gateway(const std::string& address)
{
    asio::io_context io;
    asio::ip::tcp::socket socket{io};
    boost::system::error_code ec;
    const auto colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    host.erase(
        std::remove_if(host.begin(), host.end(), [](char b) { return b == '[' || b == ']'; }),
        host.end());
    auto ip = asio::ip::make_address(host, ec);
    if (ip.is_unspecified())
        ip = asio::ip::address_v4::loopback();
    const auto port = static_cast<unsigned short>(std::stoul(address.substr(colon + 1)));
    socket.connect({ip, port}, ec);
    const timeval patience{2, 0};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const std::string request = "GET /readyz HTTP/1.1\r\nHost: doctor\r\n\r\n";
    if (!ec)
        asio::write(socket, asio::buffer(request), ec);
    std::string answer;
    if (!ec)
        asio::read(socket, asio::dynamic_buffer(answer, 64U << 10U), ec);
    const auto body = answer.find("\r\n\r\n");
    if (body == std::string::npos || answer.find("\"status\":") == std::string::npos)
        return std::nullopt;
    return answer.substr(body + 4, answer.find_last_not_of("\r\n") - body - 3);
}

void check_port(const config& c, findings& found)
{
    asio::io_context io;
    const auto opened = open_acceptor(io, c.listener.address);
    if (opened)
        return found.good("port", c.listener.address + " is free");
    const auto running = running_gateway(c.admin.address);
    if (running && running->find("\"degraded\"") != std::string::npos &&
        running->find("not_ready") == std::string::npos)
        found.doubtful("port",
                       "the gateway that runs on " + c.listener.address + " says: " + *running,
                       "each of these says what to do");
    else if (running && running->find("not_ready") == std::string::npos)
        found.good("port", "a gateway runs on " + c.listener.address + ": " + *running);
    else if (running)
        found.bad("port", "the gateway that runs is not ready: " + *running, "see its log");
    else
        found.bad("port", opened.error().detail,
                  "no gateway answers at " + c.admin.address +
                      ": if systemd holds the port, systemctl start attentive-gateway; else stop "
                      "what holds it (ss -ltnp)");
}

} // namespace

int run_doctor(const doctor_options& options)
{
    set_up_log("off", "text");
    findings found;
    const auto loaded = load_config(options.config);
    if (!loaded) {
        found.bad("configuration", loaded.error().detail, "see the comments in gateway.toml");
        return found.conclude();
    }
    const config& c = loaded.value();
    found.good("configuration", options.config.string());
    check_keys(c, found);
    check_certificate(c, found);
    check_permissions(c, found);
    check_admin(c, found);
    check_files(c, found);
    check_database(c, found);
    check_spool(c, found);
    check_port(c, found);
    return found.conclude();
}

} // namespace gateway
