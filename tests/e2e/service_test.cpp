// The daemon as a service: what it tells systemd, its port over a restart, and what the kernel lets
// it do. The real binary, spoken to as systemd speaks.
#include "support/gateway_process.hpp"
#include "support/load.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <arpa/inet.h>
#include <csignal>
#include <cstring>
#include <map>
#include <netinet/in.h>
#include <poll.h>
#include <regex>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::gateway_process;
using test::load;
using test::run;

const std::filesystem::path source_directory = GATEWAY_SOURCE_DIR;

// systemd's end of $NOTIFY_SOCKET.
class notify_socket {
public:
    notify_socket() : socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)}
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{"cannot bind the notify socket"};
    }
    ~notify_socket() { ::close(socket_); }
    notify_socket(const notify_socket&) = delete;
    notify_socket& operator=(const notify_socket&) = delete;

    std::string path() const { return directory_ / "notify"; }

    // The first message from now on in which `text` stands; empty after `time`.
    std::string next_with(const std::string& text, std::chrono::milliseconds time = 20s) const
    {
        const auto deadline = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < deadline) {
            pollfd waiting{socket_, POLLIN, 0};
            if (::poll(&waiting, 1, 100) <= 0)
                continue;
            char message[4096];
            const auto size = ::recv(socket_, message, sizeof message, 0);
            std::string received{message, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
            if (received.find(text) != std::string::npos)
                return received;
        }
        return {};
    }

private:
    test::temporary_directory directory_;
    int socket_;
};

// A bound and listening socket that children inherit, as a .socket unit has it.
class listening_socket {
public:
    listening_socket() : socket_{::socket(AF_INET, SOCK_STREAM, 0)}
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(socket_, 4096) != 0)
            throw std::runtime_error{"cannot listen"};
    }
    ~listening_socket() { ::close(socket_); }
    listening_socket(const listening_socket&) = delete;
    listening_socket& operator=(const listening_socket&) = delete;

    int descriptor() const { return socket_; }

private:
    int socket_;
};

bool installed(const std::string& tool)
{
    return run({"sh", "-c", "command -v " + tool}).exit_code == 0;
}

std::string get(const std::string& url)
{
    return run({"curl", "-sS", "-m", "5", url}).output;
}

// systemd's named groups of system calls, as systemd-analyze lists them.
class syscall_sets {
public:
    explicit syscall_sets(const std::string& list)
    {
        std::string group;
        std::istringstream lines{list};
        for (std::string line; std::getline(lines, line);) {
            const auto begin = line.find_first_not_of(" \t");
            if (begin == std::string::npos || line[begin] == '#')
                continue;
            if (begin == 0)
                group = line;
            else
                groups_[group].insert(line.substr(begin));
        }
    }

    bool hold(const std::string& group, const std::string& call) const
    {
        const auto found = groups_.find(group);
        if (found == groups_.end())
            return false;
        return std::any_of(found->second.begin(), found->second.end(), [&](const auto& entry) {
            return entry == call || (entry.front() == '@' && hold(entry, call));
        });
    }

private:
    std::map<std::string, std::set<std::string>> groups_;
};

// The names in the table that strace -c writes.
std::set<std::string> calls_in(const std::string& table)
{
    static const std::regex row{R"(^\s*[0-9.]+\s.*\s([a-z_0-9]+)$)"};
    std::set<std::string> calls;
    std::istringstream lines{table};
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (std::regex_match(line, match, row) && match[1] != "total")
            calls.insert(match[1]);
    }
    return calls;
}

std::string stored(const gateway_process& gateway)
{
    return gateway.value("SELECT count(*) FROM gateway.source_event");
}

TEST(ServiceTest, SystemdFindsNothingWrongWithTheUnits)
{
    if (!installed("systemd-analyze"))
        GTEST_SKIP() << "systemd-analyze is not installed";
    const test::temporary_directory units;
    const auto service = std::regex_replace(
        test::read_file(source_directory / "config/systemd/attentive-gateway.service"),
        std::regex{"/usr/bin/attentive-gateway"}, GATEWAY_BINARY);
    test::write_file(units / "attentive-gateway.service", service);
    std::filesystem::copy(source_directory / "config/systemd/attentive-gateway.socket",
                          units.path());

    const auto verified =
        run({"systemd-analyze", "verify", "--man=no", units / "attentive-gateway.service",
             units / "attentive-gateway.socket"});
    const auto rated = run({"systemd-analyze", "security", "--offline=true", "--threshold=15",
                            "--no-pager", units / "attentive-gateway.service"});

    EXPECT_EQ(verified.exit_code, 0);
    EXPECT_EQ(verified.output + verified.errors, "");
    EXPECT_EQ(rated.exit_code, 0) << rated.output; // exposure of at most 1.5
}

TEST(ServiceTest, TellsSystemdWhenItIsReadyReloadsAndStops)
{
    const notify_socket systemd;
    gateway_process gateway{{.environment = {"NOTIFY_SOCKET=" + systemd.path()}}};

    const auto ready = systemd.next_with("READY=1");
    const auto well = systemd.next_with("STATUS=Taking events");
    gateway.child().signal(SIGHUP);
    const auto reloading = systemd.next_with("RELOADING=1");
    const auto again = systemd.next_with("READY=1");
    gateway.child().signal(SIGTERM);
    const auto stopping = systemd.next_with("STOPPING=1");

    EXPECT_NE(ready.find("STATUS=Listening on 127.0.0.1:"), std::string::npos) << ready;
    EXPECT_NE(well, "");
    EXPECT_TRUE(std::regex_search(reloading, std::regex{"MONOTONIC_USEC=[0-9]{6,}"})) << reloading;
    EXPECT_NE(again.find("STATUS=Taking events"), std::string::npos) << again;
    EXPECT_NE(stopping, "");
    EXPECT_EQ(gateway.child().wait(10s), 0);
}

TEST(ServiceTest, PingsTheWatchdogWhileItWorksOnly)
{
    const notify_socket systemd;
    gateway_process gateway{
        {.environment = {"NOTIFY_SOCKET=" + systemd.path(), "WATCHDOG_USEC=4000000"}}};

    const auto first = systemd.next_with("WATCHDOG=1", 4s);
    const auto second = systemd.next_with("WATCHDOG=1", 4s);
    gateway.child().signal(SIGSTOP);
    systemd.next_with("WATCHDOG=1", 500ms); // one may have been on its way
    const auto while_frozen = systemd.next_with("WATCHDOG=1", 4s);
    gateway.child().signal(SIGCONT);

    EXPECT_NE(first, "");
    EXPECT_NE(second, "");
    EXPECT_EQ(while_frozen, "");
}

TEST(ServiceTest, PingsNoMoreWhenAThreadOfTheStoreHangs)
{
    if (!installed("strace"))
        GTEST_SKIP() << "strace is not installed";
    const notify_socket systemd;
    const test::temporary_directory directory;
    // Without a database each event goes through the spool, whose fsync is made to hang.
    gateway_process gateway{
        {.configuration = "[spool]\ndirectory = '" + (directory / "spool").string() +
                          "'\nany_file_system = true\n",
         .database_url = "postgresql://nobody@127.0.0.1:1/nothing",
         .migrate = false,
         .environment = {"NOTIFY_SOCKET=" + systemd.path(), "WATCHDOG_USEC=4000000"}}};
    ASSERT_NE(systemd.next_with("WATCHDOG=1", 4s), "");
    test::process tracer{{"strace", "-f", "-e", "trace=fsync,fdatasync", "-e",
                          "inject=fsync,fdatasync:delay_enter=30s", "-p",
                          std::to_string(gateway.child().pid())}};
    ASSERT_TRUE(tracer.wait_for_output("attached", 10s)) << tracer.errors();

    test::process sender{{GATEWAY_BINARY, "send", "--url", gateway.url(), "--key-file",
                          gateway.key_file(), "--ca", gateway.certificate(), "--type", "sms.sent"}};
    const auto until = std::chrono::steady_clock::now() + 3s; // some were still right
    while (std::chrono::steady_clock::now() < until)
        systemd.next_with("WATCHDOG=1", 200ms);
    const auto while_hanging = systemd.next_with("WATCHDOG=1", 5s);
    const auto alive = run({"curl", "-sS", "-m", "2", gateway.admin_url() + "/livez"});

    EXPECT_EQ(while_hanging, "");
    EXPECT_NE(alive.output.find("alive"), std::string::npos) << alive.errors; // the loop runs
}

TEST(ServiceTest, RefusesNoConnectionOverARestartOnTheSocketOfSystemd)
{
    const listening_socket socket;
    gateway_process gateway{{.listening_socket = socket.descriptor()}};
    load senders{gateway.url()};

    constexpr int restarts = 10;
    for (int i = 0; i < restarts; ++i) {
        std::this_thread::sleep_for(300ms);
        gateway.child().signal(SIGTERM);
        ASSERT_EQ(gateway.child().wait(20s), 0);
        gateway.restart();
    }
    senders.stop();

    EXPECT_EQ(senders.failed, 0U) << senders.first_failure;
    EXPECT_GT(senders.answered, 100U);
    EXPECT_EQ(stored(gateway), std::to_string(senders.answered));
    RecordProperty("answered", static_cast<int>(senders.answered));
}

// /proc tells of a process that may be dumped by giving its user the files in it.
TEST(ServiceTest, ItsMemoryIsInNoCoreDump)
{
    gateway_process gateway;
    const auto limits =
        test::read_file("/proc/" + std::to_string(gateway.child().pid()) + "/limits");
    EXPECT_TRUE(std::regex_search(limits, std::regex{"Max core file size +0 +0 "})) << limits;
    if (::geteuid() != 0)
        GTEST_SKIP() << "needs root, to run it as somebody else";
    gateway.child().signal(SIGTERM);
    ASSERT_EQ(gateway.child().wait(60s), 0);
    for (const auto& secret : {gateway.private_key(), gateway.key_file()})
        ASSERT_EQ(::chown(secret.c_str(), 65534, 65534), 0);

    test::process nobodys{{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           GATEWAY_BINARY, "serve", "--config", gateway.config_file()}};
    ASSERT_TRUE(nobodys.wait_for_output("listening on", 60s)) << nobodys.errors();

    struct stat owner {};
    ASSERT_EQ(::stat(("/proc/" + std::to_string(nobodys.pid()) + "/environ").c_str(), &owner), 0);
    EXPECT_EQ(owner.st_uid, 0U);
}

// Before anything is started. That a reload is checked takes a real systemd: tests/installed.
TEST(ServiceTest, TheUnitChecksTheConfigurationFirst)
{
    const auto unit =
        test::read_file(source_directory / "config/systemd/attentive-gateway.service");
    const std::string check = "/usr/bin/attentive-gateway check-config "
                              "/etc/attentive-gateway/gateway.toml\n";

    EXPECT_NE(unit.find("ExecStartPre=" + check), std::string::npos);
}

// What the unit's filter would refuse with EPERM, the daemon must not need.
TEST(ServiceTest, NeedsNoSystemCallThatTheUnitForbids)
{
    if (!installed("systemd-analyze") || !installed("strace"))
        GTEST_SKIP() << "systemd-analyze or strace is not installed";
    if (GATEWAY_SANITIZED != 0)
        GTEST_SKIP() << "sanitizers make calls of their own";
    const syscall_sets sets{run({"systemd-analyze", "syscall-filter", "--no-pager"}).output};
    const test::temporary_directory directory;
    const std::string trace = directory / "trace";
    gateway_process gateway{{.configuration = "[spool]\ndirectory = '" +
                                              (directory / "spool").string() +
                                              "'\nany_file_system = true\n"}};
    test::process tracer{
        {"strace", "-f", "-c", "-o", trace, "-p", std::to_string(gateway.child().pid())}};
    ASSERT_TRUE(tracer.wait_for_output("attached", 10s)) << tracer.errors();
    {
        load senders{gateway.url()};
        gateway.renew_certificate();
        gateway.child().signal(SIGHUP);
        get(gateway.admin_url() + "/metrics");
        std::this_thread::sleep_for(2s);
    }
    gateway.child().signal(SIGTERM);
    gateway.child().wait(20s);
    tracer.wait(10s);

    const auto calls = calls_in(test::read_file(trace));
    for (const auto& call : calls) {
        EXPECT_TRUE(sets.hold("@system-service", call) || sets.hold("@default", call)) << call;
        EXPECT_FALSE(sets.hold("@privileged", call) || sets.hold("@resources", call)) << call;
    }
    EXPECT_GT(calls.size(), 15U);
}

} // namespace
} // namespace gateway
