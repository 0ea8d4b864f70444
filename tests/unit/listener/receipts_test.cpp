// Receipts from other threads: they reach the right session on the loop's thread, one by one or in
// bursts, and one that comes too late harms nobody.
#include "listener/receipts.hpp"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace gateway {
namespace {

namespace asio = boost::asio;

receipt numbered(std::uint8_t n)
{
    receipt r{disposition::accepted, {}, {}};
    r.id.bytes[0] = n;
    return r;
}

TEST(ReceiptQueueTest, ManyThreadsReachManySessionsOnTheLoopsThread)
{
    constexpr std::size_t sessions = 200;
    asio::io_context io{1};
    const auto queue = std::make_shared<receipt_queue>(io.get_executor());
    std::vector<std::shared_ptr<awaited_receipt>> waiting;
    std::size_t woken_here = 0;
    for (std::size_t i = 0; i < sessions; ++i) {
        waiting.push_back(std::make_shared<awaited_receipt>(io.get_executor()));
        waiting.back()->arrived.async_wait([&woken_here, loop = std::this_thread::get_id()](auto) {
            woken_here += std::this_thread::get_id() == loop ? 1 : 0;
        });
    }

    std::vector<std::thread> writers;
    for (std::size_t first = 0; first < 4; ++first) {
        writers.emplace_back([&, first] {
            for (std::size_t i = first; i < sessions; i += 4)
                queue->put(waiting[i], numbered(static_cast<std::uint8_t>(i)));
        });
    }
    io.run(); // returns when nobody waits any more
    for (auto& w : writers)
        w.join();

    EXPECT_EQ(woken_here, sessions);
    for (std::size_t i = 0; i < sessions; ++i)
        EXPECT_EQ(waiting[i]->what.value().value().id.bytes[0], i);
}

TEST(ReceiptQueueTest, NeverWakesInsideTheCallThatPuts)
{
    asio::io_context io{1};
    const auto queue = std::make_shared<receipt_queue>(io.get_executor());
    const auto waiting = std::make_shared<awaited_receipt>(io.get_executor());
    bool woken = false;
    waiting->arrived.async_wait([&woken](auto) { woken = true; });

    asio::post(io, [&] {
        queue->put(waiting, fail(errc::overloaded));
        EXPECT_FALSE(woken || waiting->what.has_value());
    });
    io.run();

    EXPECT_TRUE(woken);
    EXPECT_EQ(waiting->what.value().error().code, errc::overloaded);
}

TEST(ReceiptQueueTest, ALateReceiptIsReleasedOnTheLoop)
{
    asio::io_context io{1};
    const auto queue = std::make_shared<receipt_queue>(io.get_executor());
    auto gone = std::make_shared<awaited_receipt>(io.get_executor());
    const std::weak_ptr<awaited_receipt> watched = gone;

    std::thread writer{
        [&queue, late = std::move(gone)]() mutable { queue->put(std::move(late), numbered(1)); }};
    writer.join();

    EXPECT_FALSE(watched.expired());
    io.run();
    EXPECT_TRUE(watched.expired());
}

} // namespace
} // namespace gateway
