// The writer while the database is away, on a disk that fails: at call N, for every N of a run,
// each kind of harm. The promise: what was answered is found in the spool after the next open, and
// every submission is answered.
#include "support/events.hpp"
#include "support/faulty_vfs.hpp"
#include "support/spool_events.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace gateway::test {
namespace {

constexpr int events = 16;

class WriterOnAFailingDiskTest : public testing::Test {
protected:
    WriterOnAFailingDiskTest() { spdlog::set_level(spdlog::level::off); }
    ~WriterOnAFailingDiskTest() override
    {
        set_fault_plan({});
        spdlog::set_level(spdlog::level::info);
    }

    static spool_settings settings(const memory_directory& home, const std::string& vfs)
    {
        spool_settings s;
        s.directory = home / "spool";
        s.file_bytes_max = 40'000; // a few files
        s.any_file_system = true;
        s.vfs = vfs;
        return s;
    }

    // Numbers that were answered as stored.
    static std::set<int> submit_all(spool& s)
    {
        writer_settings w = settings_for("postgresql://postgres@/x?host=/nowhere");
        w.fallback.to = &s;
        w.map = [](const verified_delivery&) { return click(0).what; };
        w.batch_events_max = 4;
        std::set<int> stored;
        answers all;
        {
            writer away{w};
            for (int i = 0; i < events; ++i)
                all.submit(away, {numbered_delivery(i, 2'000), click(i).what});
        }
        const auto received = all.all();
        for (int i = 0; i < events; ++i) {
            if (received[static_cast<std::size_t>(i)].has_value())
                stored.insert(i);
        }
        return stored;
    }

    // Runs with `plan`, and checks the spool after it. Returns the calls counted.
    static int run(const fault_plan& plan)
    {
        const memory_directory home;
        std::set<int> stored;
        {
            auto s = spool::open(settings(home, faulty_vfs())).value();
            set_fault_plan(plan);
            stored = submit_all(s);
        }
        const int calls = calls_counted();
        set_fault_plan({});
        auto s = spool::open(settings(home, {})).value();
        const auto numbers = drain_numbers(s);
        const std::set<int> found{numbers.begin(), numbers.end()};
        for (const int number : stored)
            EXPECT_TRUE(found.count(number)) << number << " was answered and is lost";
        EXPECT_FALSE(found.count(-1)) << "something that was never submitted";
        if (plan.what == harm::none) {
            EXPECT_EQ(stored.size(), static_cast<std::size_t>(events));
        }
        return calls;
    }
};

TEST_F(WriterOnAFailingDiskTest, NeverAnswersForWhatIsLost)
{
    for (const harm what : {harm::fail_once, harm::short_write, harm::full_once, harm::fail_forever,
                            harm::full_forever}) {
        const int calls = run({});
        ASSERT_GT(calls, 20);
        for (int at = 1; at <= calls && !HasFailure(); ++at) {
            SCOPED_TRACE(std::to_string(static_cast<int>(what)) + " at " + std::to_string(at));
            run({what, at});
        }
    }
}

} // namespace
} // namespace gateway::test
