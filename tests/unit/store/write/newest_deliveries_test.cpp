// What is remembered of deliveries: the newest, of both kinds, within bounds.
#include "gateway/store/newest_deliveries.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

delivery_note at(int second, std::string_view reason = {})
{
    return {.received_at = timestamp{std::chrono::seconds{second}},
            .endpoint = "attentive",
            .type = "sms.sent",
            .outcome = "stored",
            .reason = reason,
            .company_id = {},
            .company_name = {}};
}

TEST(NewestDeliveriesTest, KeepsTheNewestAndShowsThemFirst)
{
    delivery_notes notes;

    for (int i = 0; i < 120; ++i)
        notes.note(at(i));

    const auto shown = notes.newest_first();
    ASSERT_EQ(shown.size(), delivery_notes::signed_max);
    EXPECT_EQ(shown.front().received_at, timestamp{std::chrono::seconds{119}});
    EXPECT_EQ(shown.back().received_at, timestamp{std::chrono::seconds{70}});
}

TEST(NewestDeliveriesTest, AFloodThatNobodySignedHidesNoneThatWasSigned)
{
    delivery_notes notes;
    notes.note(at(1));
    notes.note(at(500));

    for (int i = 2; i < 400; ++i)
        notes.note_unsigned(at(i, "signature_mismatch"));

    const auto shown = notes.newest_first();
    ASSERT_EQ(shown.size(), 2 + delivery_notes::unsigned_max);
    EXPECT_EQ(shown.front().received_at, timestamp{std::chrono::seconds{500}});
    EXPECT_EQ(shown[1].reason, "signature_mismatch");
    EXPECT_EQ(shown.back().received_at, timestamp{std::chrono::seconds{1}});
}

TEST(NewestDeliveriesTest, CutsWhatIsLong)
{
    delivery_notes notes;
    const std::string name(10'000, 'x');
    delivery_note n = at(1);
    n.company_name = name;

    notes.note(n);

    EXPECT_EQ(notes.newest_first().front().company_name,
              std::string(delivery_notes::text_bytes_max, 'x'));
}

} // namespace
} // namespace gateway
