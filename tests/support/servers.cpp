#include "support/servers.hpp"

#include <libpq-fe.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include <unistd.h>

namespace gateway::test {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// setpriv becomes what it starts: signals reach the server itself.
std::vector<std::string> as_server(const std::vector<std::string>& words)
{
    std::vector<std::string> out = {"setpriv", "--pdeathsig", "INT"};
    if (::geteuid() == 0)
        out.insert(out.end(), {"--reuid=postgres", "--regid=postgres", "--init-groups"});
    out.insert(out.end(), words.begin(), words.end());
    return out;
}

std::string program(const std::string& name)
{
    const auto versions = run({"sh", "-c", "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1"});
    return versions.output.substr(0, versions.output.find('\n')) + "/" + name;
}

void must(const std::vector<std::string>& words)
{
    const auto done = run(words);
    if (done.exit_code != 0) {
        std::fprintf(stderr, "%s failed: %s\n", words.at(0).c_str(), done.errors.c_str());
        std::abort();
    }
}

void await(const std::string& url, process& server)
{
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (PQping(url.c_str()) != PQPING_OK) {
        if (std::chrono::steady_clock::now() > until || server.wait(20ms)) {
            std::fprintf(stderr, "no server: %s\n", server.errors().c_str());
            std::abort();
        }
    }
}

} // namespace

fs::path socket_directory(const std::string& url)
{
    return url.substr(url.find("host=") + 5);
}

server_directory::server_directory() : path_{parent_ / "server"}
{
    std::vector<std::string> words = {"install", "-d", "-m", "0700", path_.string()};
    if (::geteuid() == 0)
        words.insert(words.end(), {"-o", "postgres", "-g", "postgres"});
    must(words);
}

postgres_server::postgres_server()
{
    must(as_server({program("initdb"), "--no-sync", "--username=postgres", "--encoding=UTF8",
                    "--locale=C", "--auth=trust", "-D", (directory() / "data").string()}));
    start();
}

postgres_server::postgres_server(const fs::path& primary)
{
    must(as_server({program("pg_basebackup"), "--no-sync", "--checkpoint=fast", "-R", "-U",
                    "postgres", "-h", primary.string(), "-D", (directory() / "data").string()}));
    start();
}

postgres_server::~postgres_server()
{
    stop();
}

void postgres_server::stop()
{
    server_->signal(SIGQUIT);
    server_->wait(20s);
}

void postgres_server::kill()
{
    kill_with_children(server_->pid());
    server_->wait(20s);
}

std::string postgres_server::url(const std::string& database) const
{
    return "postgresql://postgres@/" + database + "?host=" + directory().string();
}

void postgres_server::start()
{
    server_ = std::make_unique<process>(
        as_server({program("postgres"), "-D", (directory() / "data").string(), "-c",
                   "listen_addresses=", "-c", "unix_socket_directories=" + directory().string(),
                   "-c", "max_connections=60", "-c", "hot_standby=on"}));
    await(url("postgres"), *server_);
}

pgbouncer::pgbouncer(fs::path server) : server_{std::move(server)}
{
    const auto write = [this](const std::string& name, const std::string& text) {
        write_file(directory_.path() / name, text);
        fs::permissions(directory_.path() / name, fs::perms::all);
    };
    write("users", "\"postgres\" \"\"\n\"daemon_user\" \"\"\n");
    // Round robin: the next transaction has another connection, so session state shows.
    write("pgbouncer.ini", "[databases]\n* = host=" + server_.string() +
                               "\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n"
                               "unix_socket_dir = " +
                               directory_.path().string() + "\nauth_type = trust\nauth_file = " +
                               (directory_.path() / "users").string() +
                               "\npool_mode = transaction\ndefault_pool_size = 2\n"
                               "server_round_robin = 1\nserver_login_retry = 0.2\n");
    start();
}

std::string pgbouncer::before(const std::string& url) const
{
    return url.substr(0, url.find("host=")) + "host=" + directory_.path().string() + "&port=6432";
}

void pgbouncer::stop()
{
    pooler_->signal(SIGTERM); // at once, whatever its clients do
    pooler_->wait(10s);
    pooler_.reset();
}

void pgbouncer::start()
{
    pooler_ = std::make_unique<process>(
        as_server({"/usr/sbin/pgbouncer", (directory_.path() / "pgbouncer.ini").string()}));
    await(before("postgresql://postgres@/postgres?host="), *pooler_);
}

} // namespace gateway::test
