// What systemd's journal gets of a real daemon: priorities that `journalctl -p warning` finds, and
// fields. The journal is a socket of the test's, in the daemon's own view of the file system.
#include "support/gateway_process.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::run;
using testing::HasSubstr;
using testing::Not;

constexpr auto journal_patience = 90s;

// A configuration that `serve` refuses once it has read it: one line of error, and the end.
std::string refused_configuration(const test::temporary_directory& directory)
{
    const std::string file = directory / "gateway.toml";
    test::write_file(file, "[listener]\naddress = '127.0.0.1:0'\nbehind_tls_proxy = true\n"
                           "[[endpoint]]\nname = 'a'\npath = '/a'\n"
                           "signing_keys = [ { id = 'k', file = '/nowhere' } ]\n"
                           "[database]\nurl = 'postgresql:///nowhere'\n");
    return file;
}

// Runs a shell command with standard error on a file that JOURNAL_STREAM names, as systemd names
// its own; what the file holds then.
std::string errors_into_journal(const test::temporary_directory& directory,
                                const std::string& command)
{
    const std::string file = directory / "stream";
    run({"bash", "-c",
         "exec 2>" + file + "; export JOURNAL_STREAM=$(stat -c %d:%i " + file + "); " + command});
    return test::read_file(file);
}

TEST(JournalTest, ErrorsThatAreNoLogLinesHaveAPriorityToo)
{
    const test::temporary_directory directory;
    const std::string serve =
        std::string{GATEWAY_BINARY} + " serve --config " + refused_configuration(directory);

    EXPECT_THAT(errors_into_journal(directory, serve), HasSubstr("<3>attentive-gateway: "));
    EXPECT_THAT(errors_into_journal(directory, std::string{GATEWAY_BINARY} + " migrate --config " +
                                                   (directory / "none").string()),
                HasSubstr("<3>"));
    EXPECT_THAT(run({"bash", "-c", serve}).errors, Not(HasSubstr("<3>")));
}

// One datagram, as fields: those of a line each.
std::string received(int socket)
{
    std::array<char, 65'536> buffer{};
    const auto n = ::recv(socket, buffer.data(), buffer.size(), 0);
    return "\n" + std::string{buffer.data(), n < 0 ? 0U : static_cast<std::size_t>(n)};
}

class socket_of_journal {
public:
    explicit socket_of_journal(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        const timeval limit{90, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            std::abort();
    }
    ~socket_of_journal() { ::close(socket_); }
    socket_of_journal(const socket_of_journal&) = delete;
    socket_of_journal& operator=(const socket_of_journal&) = delete;

    // The next line that `text` stands in; empty when none came in time.
    std::string line_with(const std::string& text) const
    {
        for (;;) {
            std::string line = received(socket_);
            if (line.size() < 2 || line.find(text) != std::string::npos)
                return line;
        }
    }

private:
    int socket_;
};

// `serve` in a view of its own of the file system: /run is empty but for what `prepare` makes, and
// standard error is the file that JOURNAL_STREAM names.
class JournaledTest : public testing::Test {
protected:
    JournaledTest()
    {
        if (run({"unshare", "--mount", "true"}).exit_code != 0)
            return;
        stopped_ =
            std::make_unique<test::gateway_process>(test::gateway_options{.wait_until_up = false});
        stopped_->child().signal(SIGKILL);
        stopped_->child().wait(journal_patience);
    }

    void SetUp() override
    {
        if (!stopped_)
            GTEST_SKIP() << "mounting is not permitted here";
    }

    void serve(const std::string& prepare)
    {
        const std::string script = "mount -t tmpfs none /run && " + prepare + " && exec 2>" +
                                   errors_ + " && export JOURNAL_STREAM=$(stat -c %d:%i " +
                                   errors_ + ") && exec \"$@\"";
        daemon_ = std::make_unique<test::process>(std::vector<std::string>{
            "unshare", "--mount", "bash", "-c", script, "bash", GATEWAY_BINARY, "serve", "--config",
            stopped_->config_file().string(), "--migrate"});
    }

    const test::temporary_directory directory_;
    const std::string errors_ = directory_ / "errors";
    std::unique_ptr<test::gateway_process> stopped_; // its configuration and database
    std::unique_ptr<test::process> daemon_;
};

TEST_F(JournaledTest, TheJournalGetsPrioritiesAndFieldsOfEachLine)
{
    std::filesystem::create_directory(directory_ / "journal");
    const socket_of_journal journal{directory_ / "journal/socket"};

    serve("mkdir -p /run/systemd/journal && mount --bind " + (directory_ / "journal").string() +
          " /run/systemd/journal");

    const auto warned = journal.line_with("EVENT_NAME=spool_not_configured");
    EXPECT_THAT(warned, HasSubstr("\nPRIORITY=4\n"));
    EXPECT_THAT(warned, HasSubstr("\nSYSLOG_IDENTIFIER=attentive-gateway\n"));
    const auto listening = journal.line_with("EVENT_NAME=listening");
    EXPECT_THAT(listening, HasSubstr("\nPRIORITY=6\n"));
    EXPECT_THAT(listening, HasSubstr("\nMESSAGE=listening on 127.0.0.1:"));
    EXPECT_THAT(listening, HasSubstr("\nATTENTIVE_LISTENER_ADDRESS=127.0.0.1:"));
    EXPECT_EQ(test::read_file(errors_), "");
}

TEST_F(JournaledTest, WithoutTheJournalsSocketPrioritiesStandBeforeEachLine)
{
    serve("true");

    std::string errors;
    EXPECT_TRUE(test::becomes(
        [&] {
            errors = std::filesystem::exists(errors_) ? test::read_file(errors_) : "";
            return errors.find("listening on") != std::string::npos;
        },
        journal_patience));
    EXPECT_THAT(errors, HasSubstr("<4>{"));
    EXPECT_THAT(errors, HasSubstr("\n<6>{"));
}

} // namespace
} // namespace gateway
