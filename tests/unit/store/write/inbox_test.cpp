// The inbox's bounds, and what a batch takes from it.
#include "store/write/inbox.hpp"
#include "support/events.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace gateway {
namespace {

std::unique_ptr<pending> entry(int number, std::size_t body_bytes = 100)
{
    auto given = test::click(number, body_bytes);
    return std::make_unique<pending>(
        pending{std::move(given.delivery), [](const result<receipt>&) {}, std::move(given.what)});
}

bool push(inbox& box, std::unique_ptr<pending> p)
{
    return box.push(p);
}

TEST(InboxTest, RefusesMoreEventsThanItsBound)
{
    inbox box{{2, 1U << 20U}};

    EXPECT_TRUE(push(box, entry(1)));
    EXPECT_TRUE(push(box, entry(2)));
    EXPECT_FALSE(push(box, entry(3)));
}

TEST(InboxTest, RefusesMoreBytesThanItsBoundAndTakesThemWhenSpaceReturns)
{
    inbox box{{100, 3 * weight(*entry(1, 10'000)) / 2}};

    EXPECT_TRUE(push(box, entry(1, 10'000)));
    EXPECT_FALSE(push(box, entry(2, 10'000)));
    EXPECT_EQ(box.take({10, 1U << 20U}).size(), 1U);
    box.finished();
    EXPECT_TRUE(push(box, entry(3, 10'000)));
}

TEST(InboxTest, GivesABatchInOrderWithinItsEvents)
{
    inbox box{{100, 1U << 20U}};
    for (int i = 0; i < 5; ++i)
        push(box, entry(i));

    const auto first = box.take({3, 1U << 20U});
    box.finished();
    const auto second = box.take({3, 1U << 20U});

    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(first[0]->event().link_url, entry(0)->event().link_url);
    EXPECT_EQ(second.size(), 2U);
}

TEST(InboxTest, GivesABatchWithinItsBytesButOneAtLeast)
{
    inbox box{{100, 1U << 20U}};
    const std::size_t bytes = weight(*entry(1, 1'000));
    for (int i = 0; i < 4; ++i)
        push(box, entry(i, 1'000));

    EXPECT_EQ(box.take({100, 2 * bytes + 1}).size(), 2U);
    box.finished();
    EXPECT_EQ(box.take({100, 1}).size(), 1U);
}

TEST(InboxTest, BesideABatchUnderWayTakesOnlyALargeOne)
{
    inbox box{{1'000, 1U << 20U}};
    push(box, entry(0));
    const auto under_way = box.take({1'000, 1U << 20U});
    std::atomic<std::size_t> taken{0};
    std::thread second{[&] { taken = box.take({1'000, 1U << 20U}).size(); }};

    for (std::size_t i = 1; i < inbox::enough_beside; ++i)
        push(box, entry(static_cast<int>(i)));
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    const std::size_t before = taken;
    push(box, entry(1'000));
    second.join();

    EXPECT_EQ(before, 0U);
    EXPECT_EQ(taken, inbox::enough_beside);
}

TEST(InboxTest, TakesWhateverIsThereWhenTheBatchUnderWayIsFinished)
{
    inbox box{{1'000, 1U << 20U}};
    push(box, entry(0));
    const auto under_way = box.take({1'000, 1U << 20U});
    std::size_t taken = 0;
    std::thread second{[&] { taken = box.take({1'000, 1U << 20U}).size(); }};

    push(box, entry(1));
    box.finished();
    second.join();

    EXPECT_EQ(taken, 1U);
}

TEST(InboxTest, WhenClosedRefusesPushesAndGivesWhatIsLeft)
{
    inbox box{{100, 1U << 20U}};
    push(box, entry(1));

    box.close();

    EXPECT_FALSE(push(box, entry(2)));
    EXPECT_EQ(box.take({10, 1U << 20U}).size(), 1U);
    EXPECT_TRUE(box.take({10, 1U << 20U}).empty());
}

TEST(InboxTest, WakesATakerWhenSomethingComesAndWhenItCloses)
{
    inbox box{{100, 1U << 20U}};
    std::size_t taken = 0;
    std::thread taker{[&] {
        while (const std::size_t n = box.take({10, 1U << 20U}).size()) {
            taken += n;
            box.finished();
        }
    }};

    push(box, entry(1));
    push(box, entry(2));
    box.close();
    taker.join();

    EXPECT_EQ(taken, 2U);
}

} // namespace
} // namespace gateway
