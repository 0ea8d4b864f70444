// Every view against plain code over the same story: the story goes in through the
// real normalizer, writer and record_event, and each report must say exactly what happened.
#include "compared_views.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/applier.hpp"
#include "gateway/store/privacy.hpp"
#include "gateway/store/read_models.hpp"
#include "support/cluster.hpp"
#include "support/reference.hpp"
#include "support/reference_words.hpp"
#include "support/story_store.hpp"
#include "support/waiting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

namespace gateway {
namespace {

using namespace test;

// Sorted rows of `select`, read in a time zone, all in one transaction, so that now() is one
// moment.
class snapshot {
public:
    explicit snapshot(const std::string& url) : connection_(url), work_(connection_)
    {
        now_micros = work_.exec("SELECT (extract(epoch FROM now()) * 1000000)::bigint")[0][0]
                         .as<std::int64_t>();
    }

    text_rows rows(const std::string& select, const std::string& zone)
    {
        work_.exec("SET LOCAL timezone = '" + zone + "'");
        text_rows out;
        for (const auto& row : work_.exec("SELECT " + select)) {
            out.emplace_back();
            for (const auto& field : row)
                out.back().emplace_back(field.is_null() ? "NULL" : field.c_str());
        }
        std::sort(out.begin(), out.end());
        return out;
    }

    std::int64_t now_micros = 0;

private:
    pqxx::connection connection_;
    pqxx::read_transaction work_;
};

text_rows sorted(text_rows rows)
{
    std::sort(rows.begin(), rows.end());
    return rows;
}

constexpr std::array<const char*, 3> zones = {"UTC", "America/New_York", "Australia/Lord_Howe"};

constexpr std::array<story_zone, 3> clocks = {story_zone::utc, story_zone::new_york,
                                              story_zone::lord_howe};

// What only one of the two has, to be read.
text_rows difference(const text_rows& seen, const text_rows& expected)
{
    text_rows out;
    std::set_difference(seen.begin(), seen.end(), expected.begin(), expected.end(),
                        std::back_inserter(out));
    for (auto& row : out)
        row.insert(row.begin(), "seen");
    const auto told = out.size();
    std::set_difference(expected.begin(), expected.end(), seen.begin(), seen.end(),
                        std::back_inserter(out));
    for (auto row = out.begin() + static_cast<std::ptrdiff_t>(told); row != out.end(); ++row)
        row->insert(row->begin(), "expected");
    return out;
}

// The number of an erased order, which nobody knows, is the digest that an erasure left.
text_rows with_erased_orders(text_rows rows)
{
    for (auto& row : rows) {
        for (auto& field : row) {
            std::size_t from = 0;
            for (std::size_t at = 0; at < field.size(); ++at) {
                if (std::string_view{"0123456789abcdef"}.find(field[at]) == std::string_view::npos)
                    from = at + 1;
                else if (at - from == 31)
                    field.replace(from, 32, "an order");
            }
        }
    }
    return sorted(std::move(rows));
}

class ReportViewsTest : public testing::TestWithParam<std::uint64_t> {
protected:
    static std::vector<story_event> story()
    {
        story_settings s;
        s.seed = GetParam();
        s.companies = 3;
        s.people = 120;
        s.days = 120;
        s.until = now();
        s.is_lifelike = true;
        return tell_story(s);
    }

    void SetUp() override
    {
        // Whoever writes and projects.
        set_for_database(url_, "timezone", zones.at(GetParam() % 3));
    }

    void set_clock(std::size_t company) const
    {
        query(url_, "SELECT gateway.set_timezone('" + story_company_id(company) + "', '" +
                        zones.at(company) + "')");
    }

    // Of events in any order, but that the shop's own order of telling is what counts for an order.
    std::vector<story_event> arrival() const
    {
        auto arrived = story_;
        const auto shops = std::stable_partition(arrived.begin(), arrived.end(), is_attentives);
        std::mt19937_64 random{GetParam()};
        std::shuffle(arrived.begin(), shops, random);
        return arrived;
    }

    // While two replicas apply and project what comes.
    void store_before_two_replicas(const std::vector<story_event>& events) const
    {
        applier_settings settings;
        settings.database_url = url_;
        settings.map = normalize_delivery;
        settings.deliveries_max = settings.events_max = 150;
        settings.idle_pause = std::chrono::milliseconds{5};
        const applier one{settings};
        const applier other{settings};
        store_story(url_, events);
        ASSERT_TRUE(becomes([this] {
            return value(url_, "SELECT deliveries + events + failed"
                               " FROM gateway.projection_lag()") == "0";
        }));
    }

    // An event of the first who is the `turn`th of ten people of the company: see story.cpp.
    static story_event somebody(const std::vector<story_event>& events, std::uint64_t turn,
                                std::size_t company)
    {
        return *std::find_if(events.begin(), events.end(), [&](const story_event& e) {
            return e.company == company && e.person / 3 % 10 == turn && words::gives_external_id(e);
        });
    }

    // Of whom these events are known by now.
    void erase_person(const story_event& who, const std::vector<story_event>& known)
    {
        const reference truth{known, {clocks.begin(), clocks.end()}, 0};
        const auto subscribers = truth.same_person(words::subscriber_of(who));
        const auto done = erase(url_, {story_company_id(who.company), "attentive_external_id",
                                       story_external_id(who), false});
        ASSERT_TRUE(done) << done.error().detail;
        for (const auto& id : subscribers) {
            const auto found = query(url_, "SELECT evidence_id FROM gateway.tombstone WHERE digest"
                                           " = gateway.keyed_digest('" +
                                               to_string(id) + "')");
            ASSERT_FALSE(found.empty()) << to_string(id);
            renamed_[to_string(id)] = found[0][0];
            erased_.insert(id);
        }
        for (const auto& e : known) {
            if (e.order != 0 && erased_.count(words::subscriber_of(e)) != 0)
                orders_.insert(story_order_id(e));
        }
    }

    // The same under the ids that the consent evidence of the erased goes on with.
    text_rows renamed(text_rows rows) const
    {
        for (auto& row : rows) {
            for (auto& field : row) {
                const auto id = renamed_.find(field);
                if (id != renamed_.end())
                    field = id->second;
                for (const auto& order : orders_) {
                    if (const auto at = field.find(order); at != std::string::npos)
                        field.replace(at, order.size(), "an order");
                }
            }
        }
        return sorted(std::move(rows));
    }

    // To the row, for whoever reads, in any time zone.
    void expect_what_the_story_tells(const char* when) const
    {
        snapshot db{url_};
        const reference truth{story_, {clocks.begin(), clocks.end()}, db.now_micros, erased_};
        for (const auto& v : compared_views()) {
            const auto expected = renamed((truth.*v.told)());
            for (const auto* zone : zones)
                EXPECT_THAT(difference(with_erased_orders(db.rows(v.select, zone)), expected),
                            testing::IsEmpty())
                    << when << ", " << zone << ": " << v.select;
        }
    }

    std::string url_ = fresh_database();
    std::vector<story_event> story_ = story();
    std::map<std::string, std::string> renamed_;
    std::set<uuid> erased_;
    std::set<std::string> orders_;
};

// What no reference computes would be wrong unseen. The others say how the gateway itself does,
// which rules it has, or have a model in a test of their own: audiences, attributes, holdouts.
TEST(ComparedViewsTest, AreAllThatTellOfPeople)
{
    std::set<std::string> missing;
    for (const auto& name :
         query(fresh_database(), "SELECT c.relnamespace::regnamespace || '.' || c.relname"
                                 " FROM pg_class c WHERE c.relnamespace::regnamespace::text"
                                 "  IN ('report', 'report_pii') AND c.relkind = 'v'"))
        missing.insert(name[0]);

    for (const auto& v : compared_views()) {
        const auto at = v.select.find("FROM report") + 5;
        missing.erase(v.select.substr(at, v.select.find(' ', at) - at));
    }
    EXPECT_THAT(missing,
                testing::ElementsAre(
                    "report.audience_exports", "report.audiences", "report.feed_silence",
                    "report.freshness", "report.holdout_lift", "report.opt_outs_of_nobody",
                    "report.quarantine", "report.rules", "report.steps",
                    "report.subscriber_attribute", "report.suspect_rules", "report_pii.audience",
                    "report_pii.subscriber_attribute", "report_pii.subscriber_attribute_history"));
}

TEST_P(ReportViewsTest, SayWhatTheStoryTellsInWhateverOrderItCameOnTwoReplicas)
{
    const auto arrived = arrival();
    const auto third = arrived.begin() + static_cast<std::ptrdiff_t>(arrived.size()) / 3;

    store_story(url_, {arrived.begin(), third});
    project_all(url_);
    set_clock(1);
    store_before_two_replicas({third, arrived.end()});
    set_clock(2);
    expect_what_the_story_tells("told");

    ASSERT_TRUE(rebuild({.database_url = url_}));
    expect_what_the_story_tells("rebuilt");
}

// Counts stay, under ids that lead to nobody; what comes of the erased afterwards is theirs no
// more.
TEST_P(ReportViewsTest, SayWhatTheStoryTellsOfThoseWhoWereErased)
{
    const auto arrived = arrival();
    const auto third = arrived.begin() + static_cast<std::ptrdiff_t>(arrived.size()) / 3;
    const auto by_time = [](const story_event& a, const story_event& b) {
        return std::tie(a.at, a.serial) < std::tie(b.at, b.serial);
    };
    std::vector<story_event> known{arrived.begin(), third};
    std::sort(known.begin(), known.end(), by_time);

    store_story(url_, known);
    project_all(url_);
    set_clock(1);
    set_clock(2);
    const auto early = somebody(known, 0, 0);
    erase_person(early, known);
    store_before_two_replicas({third, arrived.end()});
    for (auto e = third; e != arrived.end(); ++e) {
        if (e->person != early.person)
            known.push_back(*e);
    }
    std::sort(known.begin(), known.end(), by_time);
    story_ = known;
    expect_what_the_story_tells("one was erased");

    for (const auto& [turn, company] : {std::pair{4U, 1U}, {5U, 2U}, {9U, 0U}, {1U, 1U}, {8U, 2U}})
        erase_person(somebody(story_, turn, company), story_);
    erase_person(*std::find_if(story_.begin(), story_.end(), // an order stays one
                               [this](const story_event& e) {
                                   return e.kind == story_kind::order_refunded &&
                                          erased_.count(words::subscriber_of(e)) == 0;
                               }),
                 story_);
    expect_what_the_story_tells("others were erased");

    ASSERT_TRUE(rebuild({.database_url = url_}));
    expect_what_the_story_tells("erased and rebuilt");
}

// What sanitizers look at is the same in each.
constexpr std::uint64_t seeds = GATEWAY_SANITIZED == 0 ? 3 : 1;
INSTANTIATE_TEST_SUITE_P(Seeds, ReportViewsTest, testing::Range<std::uint64_t>(1, seeds + 1));

} // namespace
} // namespace gateway
