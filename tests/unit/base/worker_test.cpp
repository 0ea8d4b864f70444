// A thread of the process and how it waits: between its steps, and between its failures.
#include "gateway/base/backoff.hpp"
#include "gateway/base/worker.hpp"

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <future>
#include <string>

namespace gateway {
namespace {

using namespace std::chrono_literals;

TEST(WorkerTest, HasItsNameAndTakesNoSignal)
{
    std::array<char, 16> name{};
    sigset_t blocked;
    {
        worker w{"fifteen letters", [&](worker&) {
                     pthread_getname_np(pthread_self(), name.data(), name.size());
                     pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
                 }};
    }

    EXPECT_EQ(std::string{name.data()}, "fifteen letters");
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGALRM, SIGCHLD})
        EXPECT_EQ(sigismember(&blocked, signal), 1) << signal;
}

TEST(WorkerTest, LeavesTheSignalsOfItsStarterAlone)
{
    sigset_t before;
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, nullptr, &before);
    const worker w{"any", [](worker&) {}};
    pthread_sigmask(SIG_SETMASK, nullptr, &after);

    EXPECT_EQ(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

TEST(WorkerTest, ItsEndEndsARestAndWaitsForTheWork)
{
    bool ended = false;
    {
        worker w{"rests", [&](worker& self) {
                     while (self.rest_until(worker::for_ever)) {
                     }
                     EXPECT_TRUE(self.is_stopping());
                     ended = true;
                 }};
    }

    EXPECT_TRUE(ended);
}

TEST(WorkerTest, ARestEndsWhenItsTimeHasPassed)
{
    std::promise<bool> goes_on;
    worker w{"rests", [&](worker& self) { goes_on.set_value(self.rest(1ms)); }};

    EXPECT_TRUE(goes_on.get_future().get());
}

TEST(WorkerTest, ACallBetweenTwoRestsIsNotMissed)
{
    std::promise<void> called;
    std::promise<bool> goes_on;
    worker w{"rests", [&](worker& self) {
                 called.get_future().wait();
                 goes_on.set_value(self.rest_until(worker::for_ever));
             }};
    w.wake();
    called.set_value();

    EXPECT_TRUE(goes_on.get_future().get());
}

TEST(WorkerTest, IsBusySinceItsLastBeatAndNotAtRest)
{
    std::promise<void> beaten;
    std::promise<void> seen;
    std::promise<void> idle;
    worker w{"beats", [&](worker& self) {
                 self.beat();
                 beaten.set_value();
                 seen.get_future().wait();
                 self.idle();
                 idle.set_value();
             }};

    beaten.get_future().wait();
    EXPECT_GE(w.busy_for(worker::clock::now() + 10s), 10s);
    seen.set_value();
    idle.get_future().wait();
    EXPECT_EQ(w.busy_for(worker::clock::now() + 10s), 0s);
}

TEST(BackoffTest, DoublesFromTheShortestToTheLongestWithJitter)
{
    constexpr auto shortest = 100ms;
    constexpr std::chrono::milliseconds longest = 5s;
    backoff pause{shortest, longest, 7};
    std::chrono::milliseconds step = shortest;
    for (int i = 0; i < 20; ++i) {
        const auto next = pause.next();
        EXPECT_GE(next, step / 2);
        EXPECT_LE(next, step);
        step = std::min(step * 2, longest);
    }

    pause.reset();

    EXPECT_LE(pause.next(), shortest);
}

} // namespace
} // namespace gateway
