#include "chaos/stage.hpp"

#include "gateway/store/migrations.hpp"
#include "gateway/store/read_models.hpp"
#include "support/process.hpp"
#include "support/waiting.hpp"

#include <pqxx/pqxx>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace gateway::chaos {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

constexpr auto start_limit = 90s;
constexpr std::size_t rows_at_once = 50'000;

[[noreturn]] void give_up(const std::string& why)
{
    throw std::runtime_error{why};
}

// Waits for a server that recovers from the last harm.
std::unique_ptr<pqxx::connection> connect(const std::string& url)
{
    for (const auto until = steady_clock::now() + start_limit;;) {
        try {
            return std::make_unique<pqxx::connection>(url);
        } catch (const pqxx::broken_connection&) {
            if (steady_clock::now() > until)
                throw;
            std::this_thread::sleep_for(100ms);
        }
    }
}

} // namespace

bool can_mount()
{
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return false;
    const test::temporary_directory trial;
    try {
        const small_disk disk{trial / "disk", true, 8U << 20U};
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

small_disk::small_disk(const fs::path& directory, bool mounted, std::uint64_t bytes)
    : directory_(directory), mounted_(mounted)
{
    fs::create_directories(directory_);
    fs::permissions(directory_, fs::perms{0711});
    if (!mounted_)
        return;
    const std::string image = directory_.string() + ".img";
    std::ofstream{image, std::ios::binary}.flush();
    fs::resize_file(image, bytes);
    const auto done = test::run({"sh", "-c", R"(mkfs.ext4 -q -m 0 "$1" && mount -o loop "$1" "$2")",
                                 "sh", image, directory_.string()});
    if (done.exit_code != 0) {
        fs::remove(image);
        give_up("cannot mount a small disk: " + done.errors);
    }
}

small_disk::~small_disk()
{
    if (mounted_ && ::umount2(directory_.c_str(), MNT_DETACH) != 0)
        std::perror("chaos: umount");
}

void small_disk::fill() const
{
    const int fd = ::open((directory_ / "ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return; // full already
    off_t size = 0;
    for (off_t step = off_t{1} << 30; step >= 4096;) {
        if (::posix_fallocate(fd, size, step) == 0)
            size += step;
        else
            step /= 2;
    }
    ::close(fd);
}

void small_disk::free() const
{
    fs::remove(directory_ / "ballast");
}

server::server(const fs::path& directory) : directory_(directory)
{
    start();
    url_ = cluster_->url();
    make_schema(url_);
    pqxx::connection connection{url_};
    pqxx::nontransaction{connection}.exec(
        "CREATE ROLE daemon_user LOGIN IN ROLE gateway_writer;"
        "SELECT gateway.record_event('shop', 'page.viewed', 'stranger', now(),"
        " '{\"email\": \"a@mail.org\"}', 'https://shop.example.com/');"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'refused'; END $$");
}

fs::path server::socket() const
{
    return directory_ / ".s.PGSQL.5432";
}

void server::start()
{
    const auto until = steady_clock::now() + start_limit;
    cluster_.reset();
    for (;;) {
        auto started = embedded_cluster::start(directory_);
        if (started.has_value()) {
            cluster_.emplace(std::move(started).value());
            return;
        }
        if (steady_clock::now() > until)
            give_up("PostgreSQL does not start again: " + started.error().detail);
        std::this_thread::sleep_for(200ms);
    }
}

void server::make_sure()
{
    for (const auto until = steady_clock::now() + start_limit; steady_clock::now() < until;) {
        if (::kill(cluster_->pid(), 0) != 0)
            return start();
        try {
            pqxx::connection{url_};
            return;
        } catch (const std::exception&) { // recovering, or not gone yet
            std::this_thread::sleep_for(100ms);
        }
    }
    start();
}

void server::stop()
{
    cluster_->stop();
}

void server::signal(int number) const
{
    ::kill(cluster_->pid(), number);
}

// The postmaster first: what is to be signalled grows no more.
void server::freeze() const
{
    signal(SIGSTOP);
    for (const pid_t child : test::children_of(cluster_->pid()))
        ::kill(child, SIGSTOP);
}

void server::kill() const
{
    test::kill_with_children(cluster_->pid());
}

void server::lose_power(std::chrono::milliseconds before)
{
    const auto connection = connect(url_);
    const auto writer = pqxx::nontransaction{*connection}.exec1(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
    ::kill(writer[0].as<pid_t>(), SIGSTOP);
    std::this_thread::sleep_for(before);
    kill();
}

void server::lock_log(std::chrono::milliseconds lasts) const
{
    const auto connection = connect(url_);
    pqxx::work holding{*connection};
    holding.exec("LOCK TABLE gateway.source_event, gateway.intake IN ACCESS EXCLUSIVE MODE");
    std::this_thread::sleep_for(lasts);
}

namespace {

// Again when a deadlock with a daemon ended it.
void insist(pqxx::connection& connection, const char* statement)
{
    for (int tries_left = 10;; --tries_left) {
        try {
            pqxx::nontransaction{connection}.exec(statement);
            return;
        } catch (const pqxx::transaction_rollback&) {
            if (tries_left == 0)
                throw;
        }
    }
}

void change_role(const std::string& url, const char* statements)
{
    const auto connection = connect(url);
    pqxx::nontransaction work{*connection};
    work.exec(statements);
    work.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE usename = 'daemon_user'");
}

} // namespace

void server::limit_role(std::chrono::milliseconds lasts) const
{
    change_role(url_, "ALTER ROLE daemon_user SET statement_timeout = '20ms';"
                      "ALTER ROLE daemon_user SET lock_timeout = '1ms'");
    std::this_thread::sleep_for(lasts);
    change_role(url_, "ALTER ROLE daemon_user RESET ALL");
}

void server::limit_connections(std::chrono::milliseconds lasts) const
{
    change_role(url_, "ALTER ROLE daemon_user CONNECTION LIMIT 3");
    std::this_thread::sleep_for(lasts);
    pqxx::nontransaction{*connect(url_)}.exec("ALTER ROLE daemon_user CONNECTION LIMIT -1");
}

void server::begin_month(std::chrono::milliseconds lasts) const
{
    const auto connection = connect(url_);
    insist(*connection, R"(DO $$
        DECLARE v_month text := 'source_event_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM');
        BEGIN
            LOCK TABLE gateway.source_event IN ACCESS EXCLUSIVE MODE;
            IF to_regclass('gateway.' || v_month) IS NULL
                OR EXISTS (SELECT FROM gateway.source_event_default) THEN
                RETURN;
            END IF;
            ALTER TABLE gateway.source_event DETACH PARTITION gateway.source_event_default;
            DROP TABLE gateway.source_event_default;
            EXECUTE format('ALTER TABLE gateway.source_event DETACH PARTITION gateway.%I', v_month);
            EXECUTE format('ALTER TABLE gateway.%I RENAME TO source_event_default', v_month);
            ALTER TABLE gateway.source_event ATTACH PARTITION gateway.source_event_default DEFAULT;
        END $$)");
    pqxx::work reading{*connection};
    reading.exec("SELECT FROM gateway.source_event LIMIT 1");
    std::this_thread::sleep_for(lasts);
}

bool server::all_in_place() const
{
    const auto connection = connect(url_);
    return test::becomes(
        [&] {
            return pqxx::nontransaction{*connection}
                .exec1("SELECT NOT EXISTS (SELECT FROM gateway.source_event_default)")[0]
                .as<bool>();
        },
        std::chrono::minutes{2});
}

std::string server::disorder() const
{
    const auto connection = connect(url_);
    const auto asked = [&](const char* what) {
        return pqxx::nontransaction{*connection}.exec1(what)[0].as<bool>();
    };
    if (!test::becomes([&] { return asked("SELECT events = 0 FROM gateway.projection_lag()"); },
                       std::chrono::minutes{3}))
        return "the read models are not in step";
    if (!asked("SELECT coalesce(min(e.position), 1) = 1 AND max(s.position) = count(e.position)"
               " AND count(e.position) = count(DISTINCT e.position)"
               " FROM gateway.log_state s LEFT JOIN gateway.source_event e ON true"))
        return "the positions of the log have gaps, or were given twice";
    if (!asked("SELECT NOT EXISTS (SELECT FROM gateway.quarantine"
               " WHERE replayed_at IS NOT NULL AND body <> '')"))
        return "a replay lost what it took out of quarantine"; // where all is refused again
    const auto again = rebuild({.database_url = url_});
    if (again.has_error())
        return "no rebuild: " + again.error().detail;
    for (const auto& row : again.value().rows) {
        if (row[2] != "0" || row[3] != "0")
            return "gateway." + row[0] + ": a rebuild removed " + row[2] + " rows of " + row[1] +
                   " and added " + row[3];
    }
    return {};
}

void server::refuse_some(std::chrono::milliseconds lasts) const
{
    const auto connection = connect(url_);
    insist(*connection, "CREATE TRIGGER refuse BEFORE INSERT ON gateway.source_event FOR EACH ROW"
                        " WHEN (left(new.event_id::text, 2) = 'e0') EXECUTE FUNCTION refuse()");
    std::this_thread::sleep_for(lasts);
    insist(*connection, "DROP TRIGGER refuse ON gateway.source_event");
}

std::vector<pid_t> server::sessions() const
{
    const auto connection = connect(url_);
    std::vector<pid_t> out;
    for (const auto& row : pqxx::nontransaction{*connection}.exec(
             "SELECT pid FROM pg_stat_activity WHERE application_name = 'attentive-gateway'"
             " AND pid <> pg_backend_pid() ORDER BY pid"))
        out.push_back(row[0].as<pid_t>());
    return out;
}

void make_schema(const std::string& url)
{
    if (const auto migrated = migrate(url); migrated.has_error())
        give_up("no schema: " + migrated.error().detail);
    pqxx::connection connection{url};
    pqxx::nontransaction{connection}.exec(
        "ALTER TABLE gateway.source_event"
        " ADD CONSTRAINT poison CHECK (left(event_id::text, 3) <> 'f00')");
}

std::vector<stored_row> stored_rows(const std::string& url)
{
    const auto connection = connect(url);
    pqxx::work reading{*connection};
    reading.exec("DECLARE stored NO SCROLL CURSOR FOR"
                 " SELECT 'e', encode(sha256(d.body), 'hex')"
                 " FROM gateway.source_event e"
                 " LEFT JOIN gateway.delivery d USING (intake_id, ordinal)"
                 " WHERE e.company_id <> 'stranger'"
                 " UNION ALL SELECT 'q', encode(body_sha256, 'hex') FROM gateway.quarantine");
    std::vector<stored_row> out;
    for (;;) {
        const auto some = reading.exec("FETCH " + std::to_string(rows_at_once) + " FROM stored");
        for (const auto& row : some)
            out.push_back({*row[0].c_str() == 'e' ? table::source_event : table::quarantine,
                           key_from_hex(row[1].is_null() ? "" : row[1].c_str())});
        if (some.size() < rows_at_once)
            return out;
    }
}

} // namespace gateway::chaos
