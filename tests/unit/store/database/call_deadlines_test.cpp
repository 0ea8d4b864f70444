// A deadline frees a call that waits on a silent socket, in time, and leaves others alone.
#include "store/database/call_deadlines.hpp"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway {
namespace {

using namespace std::chrono_literals;

struct socket_pair {
    std::array<int, 2> ends{};
    socket_pair()
    {
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0)
            throw std::runtime_error{"socketpair"};
    }
    ~socket_pair()
    {
        ::close(ends[0]);
        ::close(ends[1]);
    }
};

// Milliseconds until a read of `socket` returns.
long wait_on(int socket)
{
    const auto start = std::chrono::steady_clock::now();
    char byte = 0;
    [[maybe_unused]] const auto n = ::read(socket, &byte, 1);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start)
        .count();
}

TEST(CallDeadlinesTest, EndsACallAtItsDeadline)
{
    call_deadlines deadlines;
    const socket_pair sockets;

    const call_deadlines::guard limit{deadlines, sockets.ends[0], 100ms};
    const long took = wait_on(sockets.ends[0]);

    EXPECT_GE(took, 95);
    EXPECT_LT(took, 1'000);
    EXPECT_TRUE(limit.expired());
}

TEST(CallDeadlinesTest, SeesAShorterDeadlineBehindALongerOne)
{
    call_deadlines deadlines;
    const socket_pair patient;
    const socket_pair sockets;

    const call_deadlines::guard longer{deadlines, patient.ends[0], 30s};
    const call_deadlines::guard shorter{deadlines, sockets.ends[0], 50ms};

    EXPECT_LT(wait_on(sockets.ends[0]), 1'000);
    EXPECT_FALSE(longer.expired());
}

TEST(CallDeadlinesTest, LeavesASocketAloneAfterItsGuard)
{
    call_deadlines deadlines;
    const socket_pair sockets;
    {
        const call_deadlines::guard limit{deadlines, sockets.ends[0], 20ms};
    }

    pollfd waiting{.fd = sockets.ends[0], .events = POLLIN, .revents = 0};

    EXPECT_EQ(::poll(&waiting, 1, 100), 0);
}

} // namespace
} // namespace gateway
