// Waiting for another thread's completion: on which thread the coroutine goes on, and what happens
// when it is called at once, late, or after everybody lost interest.
#include "ingest/await_completion.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace gateway {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

const receipt some_receipt{disposition::duplicate, {}, {}};

struct outcome {
    std::optional<result<receipt>> what;
    std::thread::id thread;
};

template <class Start>
asio::awaitable<void> wait_into(outcome& out, Start start)
{
    auto waiting = await_completion(std::move(start));
    out.what.emplace(co_await std::move(waiting));
    out.thread = std::this_thread::get_id();
}

template <class Start>
outcome run(Start start)
{
    asio::io_context io{1};
    outcome out;
    auto waiting = wait_into(out, std::move(start));
    asio::co_spawn(io, std::move(waiting), asio::detached);
    io.run(); // does not return before the completion: it is outstanding work
    return out;
}

TEST(AwaitCompletionTest, GoesOnOnItsOwnThreadWhenAnotherOneCompletes)
{
    std::thread writer;

    const outcome out = run([&writer](completion done) {
        writer = std::thread{[done = std::move(done)] {
            std::this_thread::sleep_for(20ms);
            done(some_receipt);
        }};
    });
    writer.join();

    ASSERT_TRUE(out.what.has_value() && out.what->has_value());
    EXPECT_EQ(out.what->value().what, disposition::duplicate);
    EXPECT_EQ(out.thread, std::this_thread::get_id());
}

TEST(AwaitCompletionTest, MayBeCompletedBeforeTheStartReturns)
{
    bool returned = false;

    const outcome out = run([&returned](completion done) {
        done(fail(errc::overloaded));
        returned = true;
    });

    EXPECT_TRUE(returned);
    ASSERT_TRUE(out.what.has_value() && out.what->has_error());
    EXPECT_EQ(out.what->error().code, errc::overloaded);
}

TEST(AwaitCompletionTest, ManyThreadsCompleteManyCoroutines)
{
    constexpr int waiting_max = 2'000;
    asio::io_context io{1};
    std::vector<outcome> outcomes(waiting_max);
    std::vector<completion> pending;
    for (auto& out : outcomes) {
        auto start = [&pending](completion done) { pending.push_back(std::move(done)); };
        auto waiting = wait_into(out, std::move(start));
        asio::co_spawn(io, std::move(waiting), asio::detached);
    }
    io.poll(); // all have started, none can go on
    ASSERT_EQ(pending.size(), outcomes.size());

    std::vector<std::thread> writers;
    for (std::size_t first = 0; first < 4; ++first) {
        writers.emplace_back([&pending, first] {
            for (std::size_t i = first; i < pending.size(); i += 4)
                std::exchange(pending[i], nullptr)(some_receipt);
        });
    }
    io.run();
    for (auto& w : writers)
        w.join();

    for (const auto& out : outcomes)
        ASSERT_TRUE(out.what.has_value());
}

} // namespace
} // namespace gateway
