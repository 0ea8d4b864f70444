#include "gateway/store/embedded_cluster.hpp"
#include "gateway/base/digest.hpp"
#include "gateway/base/log.hpp"
#include "store/cluster/child_process.hpp"
#include "store/cluster/cluster_directory.hpp"
#include "store/database/database.hpp"

#include <libpq-fe.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace gateway {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto start_limit = 120s; // crash recovery replays what a checkpoint had not covered
constexpr auto stop_limit = 30s;
constexpr auto kill_limit = 10s;
constexpr auto poll_pause = 30ms;

// Runs to the end; the log's last line explains a failure.
result<void> run(child_command command, std::chrono::milliseconds limit)
{
    const auto name = command.program.filename().string();
    const auto log = command.log;
    BOOST_OUTCOME_TRY(auto child, child_process::start(std::move(command)));
    const auto status = child->wait(limit);
    if (status == 0)
        return ok();
    return fail(errc::process_failed,
                name + (status ? " failed" : " did not end in time") + ": see " + log.string());
}

// initdb into a folder aside, then a rename: an interrupted one leaves no half cluster behind.
result<void> create_cluster(const fs::path& directory, const fs::path& binaries,
                            const std::optional<identity>& who)
{
    const fs::path data = directory / "data";
    const fs::path fresh = directory / "data.new";
    std::error_code fault;
    if (fs::exists(data / "PG_VERSION", fault))
        return ok();
    fs::remove_all(fresh, fault);
    BOOST_OUTCOME_TRY(run({.program = binaries / "initdb",
                           .arguments = {"--pgdata=" + fresh.string(), "--username=postgres",
                                         "--encoding=UTF8", "--locale=C", "--data-checksums",
                                         "--auth-local=trust", "--auth-host=reject"},
                           .log = directory / "initdb.log",
                           .drop = who},
                          start_limit));
    fs::rename(fresh, data, fault);
    if (fault)
        return fail(errc::io_failed, "cannot rename " + fresh.string() + ": " + fault.message());
    return ok();
}

bool is_server_of(pid_t pid, const fs::path& data)
{
    const fs::path process = fs::path{"/proc"} / std::to_string(pid);
    std::error_code fault;
    const auto program = fs::read_symlink(process / "exe", fault).filename();
    const auto folder = fs::read_symlink(process / "cwd", fault);
    return !fault && program == "postgres" && folder == fs::canonical(data, fault);
}

bool ended_within(pid_t pid, const fs::path& data, std::chrono::milliseconds limit)
{
    const auto until = std::chrono::steady_clock::now() + limit;
    while (is_server_of(pid, data)) {
        if (std::chrono::steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(poll_pause);
    }
    return true;
}

// What a crashed gateway may have left: its server, still running, or only the server's pid file,
// whose number may be another process by now. Returns whether there was anything.
result<bool> clear_remains(const fs::path& data)
{
    const fs::path file = data / "postmaster.pid";
    const pid_t pid = std::atoi(first_word(file).c_str());
    if (pid <= 1)
        return false;
    if (is_server_of(pid, data)) {
        write_log(severity::warn, "stray_cluster_stopped",
                  "stopping the PostgreSQL server (process {process.pid}) that an earlier run left",
                  {{"process.pid", pid}});
        ::kill(pid, SIGINT);
        if (!ended_within(pid, data, stop_limit)) {
            ::kill(pid, SIGQUIT);
            if (!ended_within(pid, data, kill_limit))
                return fail(errc::process_failed, "the PostgreSQL server of an earlier run "
                                                  "(process " +
                                                      std::to_string(pid) +
                                                      ") does not stop: end it by hand");
        }
    } else if (::kill(pid, 0) == 0) {
        std::error_code ignored; // PostgreSQL would take the stranger for itself
        fs::remove(file, ignored);
    }
    return true;
}

std::vector<std::string> server_arguments(const fs::path& directory)
{
    std::vector<std::string> arguments = {"-D", (directory / "data").string()};
    const std::vector<std::string> settings = {
        "listen_addresses=",
        "unix_socket_directories=" + directory.string(),
        "unix_socket_permissions=0700",
        "port=5432",
        "cluster_name=attentive-gateway",
        "max_connections=60",
        // One host, shared with the gateway.
        "shared_buffers=128MB",
        "wal_buffers=16MB",
        "max_wal_size=2GB",
        "checkpoint_timeout=15min",
        // What was answered "stored" is on the disk.
        "fsync=on",
        "full_page_writes=on",
        "synchronous_commit=on",
        // Rows are personal data: a log never quotes them.
        "logging_collector=off",
        "log_destination=stderr",
        "log_min_error_statement=panic",
        "log_error_verbosity=terse",
        "log_parameter_max_length=0",
        "log_line_prefix=%m [%p] ",
        "log_timezone=UTC",
        "timezone=UTC",
    };
    for (const auto& setting : settings) {
        arguments.emplace_back("-c");
        arguments.push_back(setting);
    }
    return arguments;
}

std::string url_of(const fs::path& directory, std::string_view database)
{
    std::string out = "postgresql://postgres@/" + std::string{database} + "?host=";
    for (const char c : directory.string()) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' ||
                           c == '-' || c == '_' || c == '.';
        out += plain ? std::string{c} : "%" + to_hex({&c, 1});
    }
    return out;
}

result<void> create_database(const fs::path& directory)
{
    try {
        database db{{.url = url_of(directory, "postgres"), .application = "attentive-gateway"}};
        pqxx::nontransaction t{db.connection()};
        if (t.exec("SELECT 1 FROM pg_database WHERE datname = 'gateway'").empty())
            t.exec("CREATE DATABASE gateway");
        return ok();
    } catch (...) {
        return to_error(current_failure(server_text::kept));
    }
}

// Until the server takes connections. `again`: one that ended at once is started once more, as
// backends of a crashed server hold its shared memory until they notice.
result<std::unique_ptr<child_process>> start_server(const child_command& command,
                                                    const fs::path& directory, int again)
{
    BOOST_OUTCOME_TRY(auto server, child_process::start(command));
    const std::string url = url_of(directory, "postgres");
    const auto until = std::chrono::steady_clock::now() + start_limit;
    while (PQping(url.c_str()) != PQPING_OK) {
        if (server->wait(poll_pause)) {
            if (again > 0) {
                std::this_thread::sleep_for(500ms);
                return start_server(command, directory, again - 1);
            }
            return fail(errc::process_failed,
                        "the PostgreSQL server did not start: see " + command.log.string());
        }
        if (std::chrono::steady_clock::now() > until)
            return fail(errc::process_failed, "the PostgreSQL server takes no connections after " +
                                                  std::to_string(start_limit.count()) +
                                                  " seconds: see " + command.log.string());
    }
    return server;
}

} // namespace

struct embedded_cluster::implementation {
    file_descriptor lock;
    std::unique_ptr<child_process> server;
    std::string url;

    ~implementation() { stop(); }

    void stop()
    {
        server->kill(SIGINT);
        if (server->wait(stop_limit))
            return;
        server->kill(SIGQUIT);
        if (!server->wait(kill_limit))
            server->kill(SIGKILL);
    }
};

result<embedded_cluster> embedded_cluster::start(const fs::path& given)
{
    BOOST_OUTCOME_TRY(auto directory, usable_path(given));
    BOOST_OUTCOME_TRY(auto who, server_identity());
    BOOST_OUTCOME_TRY(auto binaries, find_binaries(directory / "data"));
    BOOST_OUTCOME_TRY(prepare_directory(directory, who));
    BOOST_OUTCOME_TRY(auto lock, lock_directory(directory));
    BOOST_OUTCOME_TRY(create_cluster(directory, binaries, who));
    BOOST_OUTCOME_TRY(const bool crashed, clear_remains(directory / "data"));
    const child_command command{.program = binaries / "postgres",
                                .arguments = server_arguments(directory),
                                .log = directory / "postgres.log",
                                .drop = who};
    BOOST_OUTCOME_TRY(auto server, start_server(command, directory, crashed ? 10 : 0));
    auto i = std::unique_ptr<implementation>{
        new implementation{std::move(lock), std::move(server), url_of(directory, "gateway")}};
    BOOST_OUTCOME_TRY(create_database(directory));
    return embedded_cluster{std::move(i)};
}

std::optional<std::string> embedded_cluster::url_if_running(const fs::path& given)
{
    const auto directory = usable_path(given);
    if (!directory || PQping(url_of(directory.value(), "postgres").c_str()) != PQPING_OK)
        return std::nullopt;
    return url_of(directory.value(), "gateway");
}

embedded_cluster::embedded_cluster(std::unique_ptr<implementation> i)
    : implementation_(std::move(i))
{
}

embedded_cluster::embedded_cluster(embedded_cluster&&) noexcept = default;
embedded_cluster& embedded_cluster::operator=(embedded_cluster&&) noexcept = default;
embedded_cluster::~embedded_cluster() = default;

const std::string& embedded_cluster::url() const
{
    return implementation_->url;
}

int embedded_cluster::pid() const
{
    return implementation_->server->pid();
}

void embedded_cluster::stop()
{
    implementation_->stop();
}

} // namespace gateway
