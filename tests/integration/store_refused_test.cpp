// Events that PostgreSQL refuses for reasons of its own (a trigger raises, a page is damaged, a
// partition has no space or right) while it takes all others: these come through, and those wait in
// the intake until the reason has gone.
#include "gateway/store/applier.hpp"
#include "store/apply/apply_session.hpp"
#include "store/write/intake_session.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

using namespace test;

class RefusedTest : public testing::Test {
protected:
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

    // Acknowledges clicks, one behind the other, in the intake.
    void answer(int first, int last) const
    {
        answers all;
        writer w{settings_for(url_)};
        for (int i = first; i < last; ++i)
            all.submit(w, click(i));
        ASSERT_EQ(all.count(disposition::accepted), static_cast<std::size_t>(last - first));
    }

    std::string refused_now() const
    {
        return value(url_, "SELECT refused || ' ' || coalesce(refusal, '-')"
                           " FROM gateway.projection_lag()");
    }

    std::string stored_now() const { return value(url_, "SELECT position FROM gateway.log_state"); }

    std::string stored() const { return value(url_, "SELECT count(*) FROM gateway.source_event"); }

    std::string url_ = fresh_database();
};

TEST_F(RefusedTest, OneEventHoldsUpNoOtherAndComesWhenItsReasonHasGone)
{
    for (const std::string errcode : {"P0001", "XX001", "XX002", "53100", "42501", "58030"}) {
        query(url_, "TRUNCATE gateway.source_event");
        refuse("n = 7", errcode);
        answer(0, 500);

        apply_all(url_);

        EXPECT_EQ(stored(), "499") << errcode;
        EXPECT_EQ(refused_now(), "1 " + errcode);
        EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.quarantine"), "0");

        relent();
        EXPECT_TRUE(becomes([&] { return stored() == "500"; }));
        EXPECT_EQ(refused_now(), "0 -");
    }
}

// A month whose partition is broken, at the head of the intake: no step of it has anything to
// write.
TEST_F(RefusedTest, AMonthOfEventsHoldsUpNoneBehindIt)
{
    refuse("n < 30", "XX001");
    answer(0, 30);
    answer(30, 80);
    const applier applying{{.database_url = url_, .map = as_known, .deliveries_max = 30}};

    EXPECT_TRUE(becomes([&] { return stored_now() == "50"; }));
    EXPECT_TRUE(becomes([&] { return refused_now() == "30 XX001"; }));

    relent();
    EXPECT_TRUE(becomes([&] { return stored_now() == "80"; }));
}

// What is refused is tried again and again, and then counted once.
TEST_F(RefusedTest, WhatIsTriedAgainIsNoDuplicateAndIsQuarantinedOnce)
{
    refuse("n = 7", "P0001");
    answers all;
    {
        writer w{settings_for(url_)};
        for (int i = 0; i < 20; ++i)
            all.submit(w, i == 3 ? refused("{}") : click(i));
    }
    for (int tries = 0; tries < 3; ++tries) {
        apply_all(url_);
        test::query(url_, "UPDATE gateway.intake_waiting SET not_before = NULL");
    }
    relent();
    apply_all(url_);

    EXPECT_EQ(stored(), "19");
    EXPECT_EQ(value(url_, "SELECT sum(duplicates) FROM gateway.step"), "0");
    EXPECT_EQ(value(url_, "SELECT deliveries FROM gateway.quarantine"), "1");
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.source_event JOIN gateway.delivery"
                          " USING (intake_id, ordinal) WHERE body IS NOT NULL"),
              "19");
}

// The log has an event from the delivery of it that was applied first. Where a round is cut short
// and done again with an earlier delivery of the event, the body still stays where the log has it.
class CutRoundTest : public RefusedTest {
protected:
    // One row of the intake.
    void append(const std::vector<int>& clicks) const
    {
        call_deadlines deadlines;
        intake_session session{settings_for(url_), "test", deadlines};
        std::vector<verified_delivery> given;
        delivery_list all;
        for (const int n : clicks)
            given.push_back(click(n).delivery);
        for (const auto& d : given)
            all.push_back(&d);
        ASSERT_FALSE(session.append(all));
    }

    // What is left of a round that began behind the row `after`, and of which a crash left nothing
    // but its first piece.
    void apply_first_piece(std::int64_t after) const
    {
        pqxx::connection connection{url_};
        pqxx::nontransaction t{connection};
        const auto types = read_row_types(t);
        const auto rows = read_intake(t, {.after = after}, as_known);
        EXPECT_EQ(apply_units(t, types, {}, std::span{rows.units}.first(1)).stored, 1U);
    }

    std::string bodies_of_events() const
    {
        return value(url_, "SELECT count(*) FROM gateway.source_event JOIN gateway.delivery"
                           " USING (intake_id, ordinal) WHERE body IS NOT NULL");
    }
};

TEST_F(CutRoundTest, KeepsTheBodyOfWhatItStored)
{
    append({1});
    append({1});
    apply_first_piece(1);

    apply_all(url_);

    EXPECT_EQ(stored(), "1");
    EXPECT_EQ(bodies_of_events(), "1");
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.delivery WHERE body IS NOT NULL"), "1");
}

TEST_F(CutRoundTest, KeepsTheBodyOfWhatItStoredBesideSomethingRefused)
{
    append({1});
    append({1, 7});
    apply_first_piece(1);
    refuse("n = 7", "P0001");

    apply_all(url_);

    EXPECT_EQ(stored(), "1");
    EXPECT_EQ(refused_now(), "1 P0001");
    EXPECT_EQ(bodies_of_events(), "1");
    EXPECT_EQ(value(url_, "SELECT count(*) FROM gateway.delivery WHERE body IS NOT NULL"), "2");
}

} // namespace
} // namespace gateway
