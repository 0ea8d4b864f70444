// A made-up but plausible history of subscribers who opt in, are sent campaigns, open, click, shop,
// reply and opt out: for `demo`, and for tests, which hold the reports against it. Whatever a
// report should say can be computed from these events alone, so they say what happened in plain
// values.
#pragma once

#include "gateway/base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

enum class story_kind {
    sms_subscribed,
    email_subscribed,
    sms_unsubscribed,
    email_unsubscribed,
    sms_sent,
    email_sent,
    email_opened,
    sms_clicked,
    email_clicked,
    replied,
    attribute_set,
    page_viewed,     // by the shop, with an e-mail address only
    order_completed, // as page_viewed; again when it changed
    order_refunded,
    order_cancelled,
};

struct story_event {
    timestamp at{};
    story_kind kind = story_kind::page_viewed;
    std::size_t company = 0;    // 0, 1 or 2
    std::uint64_t person = 0;   // unique in its company
    std::uint64_t serial = 0;   // unique in the story
    std::uint32_t message = 0;  // number of what was sent, opened or clicked; 0 when none
    std::uint32_t choice = 0;   // which creative, reply or page: an index of the lists below
    std::uint32_t cents = 0;    // of an order or refund, USD
    std::uint64_t order = 0;    // serial of what told that order first
    std::uint64_t phone_of = 0; // whose phone the person has: as a rule one's own
    bool is_bare = false;       // an opt-out that gives nothing but phone or e-mail
};

struct story_settings {
    std::uint64_t seed = 1;
    std::size_t companies = 1; // at most 3; people are spread evenly
    std::uint64_t people = 40;
    std::uint64_t first_person = 0; // a long story can be told part by part
    int days = 90;
    timestamp until{}; // nothing happens later
    // Every fifth shares the phone of another, or gets it 45 days or more after that one left: of
    // a hundred days or more. Half of the opt-outs give the address alone, and of some SMS a
    // machine follows the link.
    bool shares_phones = false;
};

// The story, oldest first. Equal settings tell the same, event for event.
std::vector<story_event> tell_story(const story_settings& settings);

// Whether Attentive posts the event; the shop records the others.
bool is_attentives(const story_event& e);

// The payload that Attentive posts for `e`. Replies give the phone number only, as Attentive's do
// for texts, bare opt-outs the address of their channel; the rest gives external_id, phone and
// e-mail.
std::string story_body(const story_event& e);

// What it is made of.
std::string story_company_id(std::size_t company);
std::string story_company_name(std::size_t company);
std::string story_external_id(const story_event& e);
std::string story_phone(const story_event& e);
std::string story_email(const story_event& e);
std::string story_subject(std::uint32_t message);  // also the name of an e-mail
std::string story_campaign(std::uint32_t message); // utm_campaign
std::string story_order_id(const story_event& e);
std::string_view story_creative(std::uint32_t choice);
std::string_view story_reply(std::uint32_t choice);
std::string_view story_page(std::uint32_t choice); // a path
inline constexpr std::string_view story_host = "shop.example.com";

} // namespace gateway
