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
    std::uint32_t cents = 0;    // of an order or refund
    std::uint32_t currency = 0; // of both: an index of the list below
    std::uint64_t order = 0;    // serial of what told that order first
    std::uint64_t phone_of = 0; // which phone the person has: as a rule the one of that number
    bool is_bare = false;       // an opt-out that gives nothing but phone or e-mail
    bool is_untyped = false;    // an opt-out that names no type
};

struct story_settings {
    std::uint64_t seed = 1;
    std::size_t companies = 1; // at most 3; people are spread evenly
    std::uint64_t people = 40;
    std::uint64_t first_person = 0; // a long story can be told part by part
    int days = 90;
    timestamp until{}; // nothing happens later
    // What lists of real people have and no demonstration needs, of a hundred days or more. Of ten
    // people of a company one shares the phone of another, one gets it 45 days or more after
    // another left, one changes it, one gives an office's (of 40 five do, which with the number
    // alone are six), and one came of late. Half of the opt-outs give the address alone, and some
    // no type. Machines follow links and open e-mails. Of four weeks' letters two have a subject of
    // their own, one that of all the others, and one a name in it. Shops sell in several
    // currencies.
    bool is_lifelike = false;
};

// The story, oldest first. Equal settings tell the same, event for event.
std::vector<story_event> tell_story(const story_settings& settings);

// Whether Attentive posts the event; the shop records the others.
bool is_attentives(const story_event& e);

// The payload that Attentive posts for `e`. Replies give the phone number only, as Attentive's do
// for texts, bare opt-outs the address of their channel; the rest gives external_id, phone and
// e-mail.
std::string story_body(const story_event& e);

// What it is made of. Messages are numbered 1000 + week (SMS), 2000 + week (a letter with a subject
// line of its own), 3000 + week (one of those that have the same), 4000 + week (one that calls by
// name) and 5000 (that of a journey, by name too).
std::string story_company_id(std::size_t company);
std::string story_company_name(std::size_t company);
std::string story_external_id(const story_event& e);
std::string story_phone(const story_event& e);
std::string story_email(const story_event& e);
std::string story_subject(const story_event& e);   // of an e-mail that was sent
std::string story_title(std::uint32_t message);    // name of an e-mail
std::string story_campaign(std::uint32_t message); // utm_campaign
std::string story_order_id(const story_event& e);
std::string_view story_creative(std::uint32_t choice);
std::string_view story_reply(std::uint32_t choice);
std::string_view story_page(std::uint32_t choice); // a path
std::string_view story_currency(std::uint32_t choice);
inline constexpr std::uint32_t story_creatives = 4;
inline constexpr std::uint32_t story_replies = 6;
inline constexpr std::uint32_t story_pages = 4;
inline constexpr std::uint32_t story_currencies = 3;
inline constexpr std::string_view story_host = "shop.example.com";

} // namespace gateway
