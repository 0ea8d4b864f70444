// The database dies, stops, restarts or freezes in the middle: every delivery is answered, in
// time, what was answered "stored" is there, and the writer comes back by itself.
#include "gateway/store/migrations.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/process.hpp"
#include "support/servers.hpp"
#include "support/spool_events.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <sstream>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace gateway {
namespace {

using namespace test;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

// A cluster of its own, for tests that stop it.
class FaultsTest : public testing::Test {
protected:
    void SetUp() override
    {
        start();
        ASSERT_TRUE(migrate(cluster_->url()).has_value());
    }

    void TearDown() override
    {
        cluster_.reset();
        std::filesystem::remove_all(directory_);
    }

    void start()
    {
        auto started = embedded_cluster::start(directory_);
        ASSERT_TRUE(started.has_value()) << started.error().detail;
        cluster_.emplace(std::move(started).value());
    }

    // Ends the server by `signal` and starts it again, while deliveries come; then checks that
    // all were answered and that exactly the stored ones are there.
    void survive(int signal)
    {
        answers all;
        {
            writer w{settings_for(cluster_->url(), 2)};
            await_available(w);
            answers first;
            first.submit(w, click(1'000'000));
            ASSERT_EQ(first.count(disposition::accepted), 1U);
            std::atomic<bool> stop{false};
            std::thread sender{[&] {
                for (int i = 0; !stop; ++i) {
                    all.submit(w, click(i));
                    std::this_thread::sleep_for(100us);
                }
            }};
            std::this_thread::sleep_for(200ms);
            ::kill(cluster_->pid(), signal);
            std::this_thread::sleep_for(200ms);
            cluster_.reset();
            // An idle connection shows that it is dead only when it is used.
            const auto noticed_by = std::chrono::steady_clock::now() + 5s;
            while (w.available() && std::chrono::steady_clock::now() < noticed_by)
                std::this_thread::sleep_for(1ms);
            EXPECT_FALSE(w.available());
            start();
            await_available(w);
            std::this_thread::sleep_for(200ms);
            stop = true;
            sender.join();
        }

        std::size_t stored = 0;
        const auto received = all.all();
        for (const auto& answer : received) {
            if (answer.has_value())
                ++stored;
            else
                EXPECT_EQ(answer.error().code, errc::database_unavailable);
        }
        EXPECT_TRUE(received.back().has_value());
        EXPECT_LT(stored, received.size());
        // A batch that was in doubt may be there though it was not answered so.
        EXPECT_GE(std::stoul(value(cluster_->url(), "SELECT count(*) FROM gateway.source_event")),
                  stored);
        for (std::size_t i = 0; i < received.size(); i += 97) {
            if (received[i].has_value()) {
                EXPECT_EQ(value(cluster_->url(),
                                "SELECT count(*) FROM gateway.source_event WHERE event_id = '" +
                                    to_string(received[i].value().id) + "'"),
                          "1");
            }
        }
    }

    std::filesystem::path directory_ = make_temporary_directory();
    std::optional<embedded_cluster> cluster_;
};

TEST_F(FaultsTest, SurvivesAFastShutdown)
{
    survive(SIGINT);
}

TEST_F(FaultsTest, SurvivesAnImmediateShutdown)
{
    survive(SIGQUIT);
}

TEST_F(FaultsTest, SurvivesTheDeathOfThePostmaster)
{
    survive(SIGKILL);
}

std::string backends(const std::string& url)
{
    return value(url, "SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity"
                      " WHERE application_name = 'attentive-gateway'"
                      " AND datname = current_database()");
}

void terminate_backends(const std::string& url)
{
    query(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE application_name = 'attentive-gateway' AND datname = current_database()");
}

TEST(BackendTest, AnIdleConnectionThatTheServerEndedCostsNoDelivery)
{
    const std::string url = fresh_database();
    answers all;
    writer w{settings_for(url + "&options=-c%20idle_session_timeout%3D300")};
    for (int i = 0; i < 4; ++i) {
        all.submit(w, click(i));
        ASSERT_EQ(all.count(disposition::accepted), static_cast<std::size_t>(i) + 1);
        ASSERT_TRUE(becomes([&] { return backends(url).empty(); }));
    }
}

TEST(BackendTest, BusyConnectionsThatAnAdministratorEndsCostNoDelivery)
{
    const std::string url = fresh_database();
    const auto both_work = [&] {
        return value(url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                          " AND application_name = 'attentive-gateway'"
                          " AND query LIKE '%gateway.append%'") == "2";
    };
    answers all;
    writer w{settings_for(url, 2)};
    int number = 0;
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(becomes(both_work));
        std::atomic<bool> stop{false};
        std::thread sender{[&] {
            while (!stop) {
                all.submit(w, click(++number));
                std::this_thread::sleep_for(100us);
            }
        }};
        terminate_backends(url);
        stop = true;
        sender.join();
        all.all();
    }

    EXPECT_EQ(all.failed(), 0U);
    EXPECT_EQ(value(url, "SELECT count(*) FROM gateway.source_event"),
              std::to_string(all.all().size()));
}

TEST(BackendTest, AFrozenBackendIsLeftAtTheDeadline)
{
    const std::string url = fresh_database();
    writer_settings s = settings_for(url);
    s.batch_deadline = 1'000ms;
    answers held;
    answers after;
    pid_t backend = 0;
    {
        writer w{s};
        await_available(w);
        backend = std::stoi(backends(url));
        ::kill(backend, SIGSTOP);
        const auto start = steady_clock::now();
        held.submit(w, click(1));
        std::this_thread::sleep_for(100ms);
        held.submit(w, click(2)); // waits in the inbox behind it

        const auto received = held.all();
        const auto took = steady_clock::now() - start;

        for (const auto& answer : received) {
            ASSERT_TRUE(answer.has_error());
            EXPECT_EQ(answer.error().code, errc::database_unavailable);
        }
        EXPECT_GE(took, 900ms);
        EXPECT_LT(took, 1'500ms);
        await_available(w);
        after.submit(w, click(3));
        EXPECT_EQ(after.count(disposition::accepted), 1U);
        EXPECT_NE(backends(url), std::to_string(backend));
    }
    ::kill(backend, SIGCONT);
}

void signal_all(const std::string& pids, int signal)
{
    std::istringstream each{pids};
    for (pid_t pid = 0; each >> pid;)
        ::kill(pid, signal);
}

// A second batch that begins behind a stuck one would hang for a whole deadline of its own.
TEST(BackendTest, WithASpoolNobodyWaitsForTwoFrozenBackends)
{
    const std::string url = fresh_database();
    const memory_directory home;
    spool_settings kept;
    kept.directory = home / "spool";
    kept.any_file_system = true;
    auto spooled = spool::open(kept).value();
    writer_settings s = settings_for(url, 2);
    s.batch_deadline = 1'000ms;
    s.fallback.to = &spooled;
    answers all;
    std::string frozen;
    {
        writer w{s};
        std::this_thread::sleep_for(300ms); // both threads are connected, and the drainer
        frozen = backends(url);
        signal_all(frozen, SIGSTOP);
        const auto start = steady_clock::now();
        for (int i = 0; i < 45; ++i) { // the 33rd begins a batch beside the first
            all.submit(w, click(i));
            std::this_thread::sleep_for(20ms);
        }

        EXPECT_EQ(all.count(disposition::accepted), 45U);

        EXPECT_LT(steady_clock::now() - start, 1'500ms);
        signal_all(frozen, SIGCONT);
    }
}

// A server's socket, and another that takes connections and never says a word, behind one name.
class switched_socket {
public:
    explicit switched_socket(const std::filesystem::path& server)
    {
        std::filesystem::create_symlink(server / name, home_ / name);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (home_ / "silent").string().copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(silent_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(silent_, 100), 0);
    }
    ~switched_socket() { hang_up(); }

    std::string directory() const { return home_.path().string(); }

    void fall_silent() const
    {
        std::filesystem::create_symlink("silent", home_ / "next");
        std::filesystem::rename(home_ / "next", home_ / name);
    }

    // Who waits for a word hears that nobody is there.
    void hang_up()
    {
        if (silent_ >= 0)
            ::close(std::exchange(silent_, -1));
    }

private:
    static constexpr const char* name = ".s.PGSQL.5432";

    const temporary_directory home_;
    int silent_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

TEST(BackendTest, WithASpoolNobodyWaitsForHostsThatSayNothing)
{
    const std::string url = fresh_database();
    switched_socket server{socket_directory(url)};
    const memory_directory home;
    spool_settings kept;
    kept.directory = home / "spool";
    kept.any_file_system = true;
    auto spooled = spool::open(kept).value();
    writer_settings s =
        settings_for(url.substr(0, url.find("host=")) + "host=" + server.directory() + "," +
                         server.directory() + "&connect_timeout=20",
                     2);
    s.batch_deadline = 600ms;
    s.fallback.to = &spooled;
    answers all;
    writer w{s};
    ASSERT_TRUE(becomes([&] { return w.direct(); }));
    server.fall_silent();
    terminate_backends(url);
    const auto start = steady_clock::now();
    for (int i = 0; i < 45; ++i) {
        all.submit(w, click(i));
        std::this_thread::sleep_for(20ms);
    }

    EXPECT_EQ(all.count(disposition::accepted), 45U);

    EXPECT_LT(steady_clock::now() - start, 10s) << "two hosts have 20 s each";
    EXPECT_FALSE(w.direct());
    EXPECT_LT(w.status().stalled_for, 900ms) << "a mere connect is no thread that hangs";
    server.hang_up();
}

TEST(BackendTest, DeliveriesAreRefusedAtOnceWhileTheDatabaseIsAway)
{
    writer w{settings_for("postgresql://postgres@/x?host=/nowhere", 2)};
    std::this_thread::sleep_for(300ms);
    answers all;
    const auto start = steady_clock::now();

    for (int i = 0; i < 100; ++i)
        all.submit(w, click(i));

    EXPECT_EQ(all.failed(), 100U);
    EXPECT_LT(steady_clock::now() - start, 2s);
    EXPECT_FALSE(w.available());
}

TEST(BackendTest, ARolledBackSchemaIsSurvivedAndComesBack)
{
    const std::string url = fresh_database();
    writer w{settings_for(url)};
    await_available(w);
    query(url, "ALTER TABLE gateway.intake RENAME TO intake_away");
    answers away;
    away.submit(w, click(1));
    EXPECT_EQ(away.failed(), 1U);
    EXPECT_EQ(away.all()[0].error().code, errc::database_failed);

    query(url, "ALTER TABLE gateway.intake_away RENAME TO intake");
    await_available(w);
    answers back;
    back.submit(w, click(1));

    EXPECT_EQ(back.count(disposition::accepted), 1U);
}

} // namespace
} // namespace gateway
