// Events that PostgreSQL refuses for reasons of its own (a trigger raises, a page is damaged, a
// partition has no space or right) while it takes all others: these come through, and those wait in
// the spool until the reason has gone.
#include "gateway/store/drain_by_hand.hpp"
#include "gateway/store/spool.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/spool_events.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using namespace test;

int number_in(const verified_delivery& d)
{
    return std::stoi(d.body().substr(d.body().find("\"number\":") + 9));
}

normalized click_by_number(const verified_delivery& d)
{
    return click(number_in(d)).what;
}

class RefusedTest : public testing::Test {
protected:
    RefusedTest()
    {
        kept_.directory = home_ / "spool";
        kept_.any_file_system = true;
    }

    // Lets the database raise `errcode` for each click whose number the SQL `condition` on n names.
    void refuse(const std::string& condition, const std::string& errcode) const
    {
        query(url_, "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
                    " DECLARE n int := substring(NEW.link_url FROM 'n=(\\d+)'); BEGIN IF " +
                        condition + " THEN RAISE EXCEPTION 'no' USING ERRCODE = '" + errcode +
                        "'; END IF; RETURN NEW; END $$;"
                        "CREATE TRIGGER refuse BEFORE INSERT ON gateway.source_event"
                        " FOR EACH ROW EXECUTE FUNCTION public.refuse()");
    }

    void relent() const { query(url_, "DROP FUNCTION public.refuse CASCADE"); }

    static void append(spool& s, int first, int last)
    {
        std::vector<given_event> events;
        for (int i = first; i < last; ++i)
            events.push_back(click(i));
        std::vector<const verified_delivery*> deliveries;
        for (const auto& e : events)
            deliveries.push_back(&e.delivery);
        ASSERT_TRUE(s.append(deliveries).has_value());
    }

    writer_settings settings(spool* fallback) const
    {
        auto s = settings_for(url_);
        s.map = click_by_number;
        s.batch_events_max = 100;
        s.fallback.to = fallback;
        return s;
    }

    std::string stored() const { return value(url_, "SELECT count(*) FROM gateway.source_event"); }

    std::string url_ = fresh_database();
    memory_directory home_;
    spool_settings kept_;
};

TEST_F(RefusedTest, OneEventHoldsUpNoOtherOfTheSpoolAndComesWhenItsReasonHasGone)
{
    for (const std::string errcode : {"P0001", "XX001", "XX002", "53100", "42501", "58030"}) {
        query(url_, "TRUNCATE gateway.source_event");
        refuse("n = 7", errcode);
        auto s = spool::open(kept_).value();
        append(s, 0, 500);
        const writer w{settings(&s)};

        EXPECT_TRUE(becomes([&] { return stored() == "499" && s.status().events == 1; }))
            << errcode << ": " << stored() << " stored, " << s.status().events << " spooled";
        EXPECT_TRUE(becomes([&] { return w.status().refused_of_spool.count == 1; }));
        EXPECT_EQ(w.status().refused_of_spool.why, "SQLSTATE " + errcode);
        EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.quarantine"), "0");

        relent();
        EXPECT_TRUE(becomes([&] { return stored() == "500" && s.status().events == 0; }));
        EXPECT_TRUE(becomes([&] { return w.status().refused_of_spool.count == 0; }));
    }
}

// A month whose partition is broken, at the head of a spool: no read of it has anything to write.
TEST_F(RefusedTest, AMonthOfEventsHoldsUpNoneBehindItOnceOthersAreSeenToBeTaken)
{
    refuse("n < 30", "XX001");
    auto s = spool::open(kept_).value();
    append(s, 0, 80);
    auto few = settings(&s);
    few.batch_events_max = 10;
    writer w{few};
    EXPECT_TRUE(becomes([&] { return w.status().refused_of_spool.count == 10; }));
    EXPECT_EQ(s.status().events, 80U);

    answers direct;
    direct.submit(w, click(1'000));
    EXPECT_EQ(direct.count(disposition::stored), 1U);

    EXPECT_TRUE(becomes([&] { return stored() == "51" && s.status().events == 30; }));
    EXPECT_TRUE(becomes([&] { return w.status().refused_of_spool.count == 30; }));
    relent();
    EXPECT_TRUE(becomes([&] { return stored() == "81" && s.status().events == 0; }));
}

TEST_F(RefusedTest, OneEventOfABatchRefusesNoOtherOfIt)
{
    refuse("n = 7", "P0001");
    answers all;
    {
        writer w{settings(nullptr)};
        await_available(w);
        query(url_, "BEGIN; LOCK TABLE gateway.batch; SELECT pg_sleep(0.2); COMMIT");
        for (int i = 0; i < 60; ++i)
            all.submit(w, click(i));
    }

    EXPECT_EQ(all.count(disposition::stored), 59U);
    EXPECT_EQ(all.all()[7].error().code, errc::database_failed);
    EXPECT_EQ(all.all()[7].error().detail, "SQLSTATE P0001");
}

TEST_F(RefusedTest, ADrainByHandKeepsItAndBringsTheRest)
{
    refuse("n = 7", "P0001");
    auto s = spool::open(kept_).value();
    append(s, 0, 250);
    drain_settings by_hand;
    by_hand.database_url = url_;
    by_hand.map = click_by_number;
    by_hand.batch_events_max = 100;

    const auto done = drain(s, by_hand).value();

    EXPECT_EQ(done.drained, 249U);
    EXPECT_EQ(done.kept, 1U);
    EXPECT_EQ(s.status().events, 1U);
}

// What goes to the end of a full spool takes no room that it did not have.
TEST_F(RefusedTest, AFullSpoolDrainsToo)
{
    refuse("n = 0", "P0001");
    kept_.bytes_max = 1U << 20U;
    auto s = spool::open(kept_).value();
    int appended = 0;
    const auto add = [&] {
        const auto e = click(appended, 4'000);
        return s.append({&e.delivery}).has_value();
    };
    while (add())
        ++appended;
    const writer w{settings(&s)};

    EXPECT_TRUE(becomes([&] {
        return stored() == std::to_string(appended - 1) && s.status().events == 1;
    })) << stored()
        << " of " << appended;
}

} // namespace
} // namespace gateway
