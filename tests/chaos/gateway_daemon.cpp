#include "chaos/gateway_daemon.hpp"

#include "gateway/listener/tls.hpp"

#include <pqxx/pqxx>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway::chaos {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

constexpr auto start_limit = 90s;
constexpr auto trace_limit = 6s;
constexpr auto drain_limit = 180s; // without getting on

// A port that nobody uses now. The kernel does not give it to anybody soon again.
std::uint16_t free_port()
{
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    auto* const address = reinterpret_cast<sockaddr*>(&here);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool found =
        ::bind(fd, address, sizeof here) == 0 && ::getsockname(fd, address, &size) == 0;
    ::close(fd);
    if (!found)
        throw std::runtime_error{"no free port"};
    return ntohs(here.sin_port);
}

std::vector<std::string> trace(const std::string& call, unsigned number, int pid)
{
    return {"strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=" + call,
            "-e",
            "inject=" + call + ":signal=KILL:when=" + std::to_string(number),
            "-p",
            std::to_string(pid)};
}

bool holds_files(const fs::path& spool)
{
    std::error_code none;
    return std::any_of(fs::directory_iterator{spool, none}, fs::directory_iterator{},
                       [](const auto& entry) { return entry.path().extension() == ".db"; });
}

// What nobody has applied yet; a great many when nobody can tell.
std::int64_t deliveries_waiting(const std::string& url)
{
    try {
        pqxx::connection connection{url};
        return pqxx::nontransaction{connection}
            .exec("SELECT deliveries FROM gateway.projection_lag()")[0][0]
            .as<std::int64_t>();
    } catch (const std::exception&) {
        return std::numeric_limits<std::int64_t>::max();
    }
}

} // namespace

bool drain(const std::vector<std::unique_ptr<gateway_daemon>>& daemons, const std::string& url)
{
    auto until = steady_clock::now() + drain_limit;
    auto least = std::numeric_limits<std::int64_t>::max();
    while (steady_clock::now() < until) {
        std::this_thread::sleep_for(500ms); // so long a daemon may still be putting down its last
        for (const auto& d : daemons)
            d->keep_up();
        const bool spooled = std::any_of(daemons.begin(), daemons.end(),
                                         [](const auto& d) { return holds_files(d->spool()); });
        const auto waiting = deliveries_waiting(url);
        if (!spooled && waiting == 0)
            return true;
        if (waiting < least)
            until = steady_clock::now() + drain_limit;
        least = std::min(least, waiting);
    }
    return false;
}

bool can_trace()
{
    test::process victim{{"sh", "-c", "while :; do echo; done"}};
    if (test::run({"sh", "-c", "command -v strace"}).exit_code != 0)
        return false;
    test::process tracer{trace("write", 3, victim.pid())};
    return victim.wait(5s) == 128 + SIGKILL;
}

gateway_daemon::gateway_daemon(const daemon_settings& settings)
    : settings_(settings), port_(free_port()), admin_port_(free_port())
{
    fs::create_directories(settings_.directory);
    const auto made = make_self_signed_certificate();
    test::write_file(certificate(), made.certificate);
    test::write_file(settings_.directory / "private-key.pem", made.private_key);
    test::write_file(key_file(), "chaos-signing-key-0123456789\n");
    test::write_file(config_file(), configuration());
}

gateway_daemon::~gateway_daemon()
{
    save_log();
}

std::string gateway_daemon::url() const
{
    return "https://localhost:" + std::to_string(port_) + "/webhooks/attentive";
}

std::chrono::milliseconds gateway_daemon::age() const
{
    return std::chrono::floor<std::chrono::milliseconds>(steady_clock::now() - started_.load());
}

std::string gateway_daemon::configuration() const
{
    std::ostringstream text;
    text << "[listener]\n"
         << "address = '127.0.0.1:" << port_ << "'\n"
         << "tls_certificate = '" << certificate().string() << "'\n"
         << "tls_private_key = '" << (settings_.directory / "private-key.pem").string() << "'\n"
         << "trusted_proxies = ['127.0.0.1']\n"
         << "[[endpoint]]\n"
         << "name = 'attentive'\n"
         << "path = '/webhooks/attentive'\n"
         << "signing_keys = [ { id = 'chaos', file = '" << key_file().string() << "' } ]\n"
         << "[database]\n"
         << "url = '" << settings_.database_url << "'\n"
         << "[admin]\n"
         << "address = '127.0.0.1:" << admin_port_ << "'\n"
         << "[log]\n"
         << "format = 'text'\n"
         << "[limits]\n"
         << "drain_delay = '0s'\n";
    if (!settings_.spool.empty())
        text << "[spool]\n"
             << "directory = '" << settings_.spool.string() << "'\n"
             << "bytes_max = '512MiB'\n"
             << "any_file_system = " << (settings_.any_file_system ? "true" : "false") << "\n";
    return text.str();
}

void gateway_daemon::start()
{
    const std::lock_guard lock{mutex_};
    if (child_ == nullptr || child_->wait(0ms)) // the other lane may have started it
        start_locked();
}

void gateway_daemon::start_locked()
{
    const auto until = steady_clock::now() + start_limit;
    test::process_options options;
    options.environment = {std::string{"LD_PRELOAD="} + GATEWAY_FORGETFUL_DISK,
                           "FORGETFUL_DISK=" + settings_.spool.string(),
                           "FORGETFUL_DISK_MEMORY=" + disk_memory().string()};
    if (!settings_.sabotage.empty())
        options.environment.push_back("GATEWAY_SABOTAGE=" + settings_.sabotage);
    while (steady_clock::now() < until) {
        save_log();
        child_ = std::make_unique<test::process>(std::vector<std::string>{settings_.binary.string(),
                                                                          "serve", "--config",
                                                                          config_file().string()},
                                                 options);
        if (child_->wait_for_output("listening on", 30s)) {
            started_ = steady_clock::now();
            return;
        }
        ++crashes_; // it gave up, or hung
        std::this_thread::sleep_for(300ms);
    }
    throw std::runtime_error{"a daemon does not start again: see " + settings_.directory.string()};
}

void gateway_daemon::kill()
{
    const std::lock_guard lock{mutex_};
    kill_locked();
}

void gateway_daemon::kill_locked()
{
    if (child_ == nullptr) // stopped by the other lane
        return;
    child_->signal(SIGKILL);
    child_->wait(10s);
}

void gateway_daemon::lose_power()
{
    const std::lock_guard lock{mutex_};
    kill_locked();
    for (const auto& entry : fs::directory_iterator{settings_.spool})
        fs::remove(entry.path());
    std::error_code none_yet; // no name was ever synced
    for (const auto& entry : fs::directory_iterator{disk_memory() / "names", none_yet})
        fs::copy_file(entry.path(), settings_.spool / entry.path().filename());
    fs::remove_all(disk_memory());
    start_locked();
}

bool gateway_daemon::kill_at(const std::string& call, unsigned number)
{
    const std::lock_guard lock{mutex_};
    test::process tracer{trace(call, number, child_->pid())};
    const bool reached = child_->wait(trace_limit).has_value();
    if (!reached)
        kill_locked();
    tracer.signal(SIGKILL);
    tracer.wait(10s);
    return reached;
}

int gateway_daemon::stop()
{
    const std::lock_guard lock{mutex_};
    child_->signal(SIGTERM);
    const auto code = child_->wait(60s);
    save_log();
    return code.value_or(-1);
}

void gateway_daemon::reload()
{
    const std::lock_guard lock{mutex_};
    child_->signal(SIGHUP);
}

void gateway_daemon::keep_up()
{
    {
        const std::lock_guard lock{mutex_};
        if (!child_->wait(0ms))
            return;
        ++crashes_;
    }
    start();
}

// What it has said so far, at the end of the log of all its lives.
void gateway_daemon::save_log()
{
    if (child_ == nullptr)
        return;
    const auto code = child_->wait(0ms);
    std::ofstream{settings_.directory / "gateway.log", std::ios::app}
        << "--- process " << child_->pid() << ", "
        << (code ? "exit code " + std::to_string(*code) : std::string{"still running"}) << "\n"
        << child_->errors() << child_->output();
    child_.reset();
}

} // namespace gateway::chaos
