// How people behave in the story; see gateway/demo/story.hpp. Chances are per hundred and made up.
// Random numbers come from one stream a person, so that a person's history does not depend on who
// else is told.
#include "gateway/demo/story.hpp"

#include <algorithm>
#include <tuple>

namespace gateway {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using days = std::chrono::duration<std::int64_t, std::ratio<86'400>>;

// SplitMix64.
class random_stream {
public:
    explicit random_stream(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next()
    {
        std::uint64_t x = state_ += 0x9E3779B97F4A7C15U;
        x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
        x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
        return x ^ (x >> 31U);
    }
    std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(next() % n); }
    bool chance(std::uint32_t in_hundred) { return below(100) < in_hundred; }
    milliseconds within(milliseconds longest)
    {
        return milliseconds{
            static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(longest.count()))};
    }

private:
    std::uint64_t state_;
};

// One person's history.
class biography {
public:
    biography(const story_settings& settings, std::uint64_t person, std::vector<story_event>& out)
        : settings_(settings), person_(person),
          random_(random_stream{settings.seed ^ (person * 0xD1342543DE82EF95U)}.next()), out_(out)
    {
    }

    void tell()
    {
        const timestamp first = settings_.until - days{settings_.days};
        const int span = turn_ < 7 || !settings_.is_lifelike ? settings_.days * 2 / 3 : 20;
        const int wait = turn_ == 7 ? settings_.days - span : turn_ == 9 ? 80 : 0;
        const timestamp joined = first + days{wait} + random_.within(days{span});
        join(joined);
        if (random_.chance(30))
            add(story_kind::attribute_set, joined + random_.within(days{20}));
        const auto weeks = static_cast<std::uint32_t>(turn_ == 8 ? 4 : settings_.days / 7 + 1);
        for (std::uint32_t week = 0; week < weeks; ++week) {
            const timestamp monday = first + days{7 * week};
            text(monday + hours{10}, week, joined);
            mail(monday + days{2} + hours{9}, week, joined);
        }
        if (turn_ == 8)
            leave(story_kind::sms_unsubscribed, first + days{30});
    }

private:
    story_event& add(story_kind kind, timestamp at)
    {
        story_event e;
        e.at = at;
        e.kind = kind;
        e.company = person_ % settings_.companies;
        e.person = person_;
        e.phone_of = phone_at(at);
        e.serial = person_ * 100'000 + serial_++;
        out_.push_back(e);
        return out_.back();
    }

    std::uint64_t phone_at(timestamp at) const
    {
        constexpr std::uint64_t offices = 7'000'000, second_phones = 4'000'000;
        if (turn_ == 5 || (settings_.is_lifelike && person_ / settings_.companies == 6))
            return offices + person_ % settings_.companies;
        if (turn_ == 1 && at >= settings_.until - days{settings_.days / 2})
            return second_phones + person_;
        return person_ - (shares_phone_ ? settings_.companies : 0);
    }

    void join(timestamp at)
    {
        const std::uint32_t creative = random_.below(story_creatives);
        const std::uint32_t channels = random_.below(4); // sms, e-mail, both, both
        texted_ = channels != 1;
        mailed_ = channels != 0;
        if (texted_)
            add(story_kind::sms_subscribed, at).choice = creative;
        if (mailed_)
            add(story_kind::email_subscribed, at + random_.within(minutes{5})).choice = creative;
        if (texted_ && random_.chance(5)) // a second sign-up repeats the state
            add(story_kind::sms_subscribed, at + random_.within(days{10})).choice =
                random_.below(story_creatives);
    }

    void text(timestamp campaign, std::uint32_t week, timestamp joined)
    {
        if (!texted_ || campaign < joined || random_.chance(20))
            return;
        const timestamp sent = campaign + random_.within(minutes{30});
        const std::uint32_t message = 1'000 + week;
        add(story_kind::sms_sent, sent).message = message;
        if (settings_.is_lifelike && serial_ % 16 == 0) // a carrier looks at the link
            add(story_kind::sms_clicked, sent + milliseconds{700}).message = message;
        if (random_.chance(14))
            click(story_kind::sms_clicked, sent + random_.within(hours{20}), message);
        if (random_.chance(4))
            reply(sent + random_.within(hours{60}));
        else if (random_.chance(1))
            leave(story_kind::sms_unsubscribed, sent + random_.within(days{5}));
    }

    void mail(timestamp campaign, std::uint32_t week, timestamp joined)
    {
        if (!mailed_ || campaign < joined)
            return;
        const timestamp sent = campaign + random_.within(minutes{30});
        const std::uint32_t message = letter(week);
        add(story_kind::email_sent, sent).message = message;
        machines(sent, message);
        if (random_.chance(1))
            leave(story_kind::email_unsubscribed, sent + random_.within(days{3}));
        if (!random_.chance(45))
            return;
        const timestamp opened = sent + random_.within(days{3});
        add(story_kind::email_opened, opened).message = message;
        if (random_.chance(25))
            click(story_kind::email_clicked, opened + random_.within(minutes{20}), message);
    }

    std::uint32_t letter(std::uint32_t week) const
    {
        if (!settings_.is_lifelike || week % 2 == 0)
            return 2'000 + week;
        if (week % 4 == 1)
            return 3'000 + week;
        return person_ % settings_.companies == 0 ? 5'000 : 4'000 + week;
    }

    // An inbox fetches the images at once; a scanner follows all links of the letter.
    void machines(timestamp sent, std::uint32_t message)
    {
        if (settings_.is_lifelike && serial_ % 8 == 3)
            add(story_kind::email_opened, sent + milliseconds{2'100}).message = message;
        if (!settings_.is_lifelike || serial_ % 12 != 7)
            return;
        for (std::uint32_t link = 0; link < 4; ++link) {
            story_event& e =
                add(story_kind::email_clicked, sent + minutes{2} + milliseconds{link * 150});
            e.message = message;
            e.choice = link;
        }
    }

    void click(story_kind kind, timestamp at, std::uint32_t message)
    {
        story_event& clicked = add(kind, at);
        clicked.message = message;
        const std::uint32_t page = clicked.choice = random_.below(story_pages);
        if (!random_.chance(80))
            return;
        const timestamp seen = at + random_.within(minutes{40});
        add(story_kind::page_viewed, seen).choice = page;
        if (!random_.chance(35))
            return;
        const std::uint32_t cents = 1'000 + random_.below(20'000);
        order(seen + random_.within(days{8}), cents);
    }

    // An order, and what becomes of it: of twenty one is cancelled, two lose an item within the
    // hour, and two are given back in part, one of them twice.
    void order(timestamp paid, std::uint32_t cents)
    {
        story_event placed = add(story_kind::order_completed, paid);
        placed.cents = cents;
        placed.currency = settings_.is_lifelike ? cents % story_currencies : 0;
        placed.order = placed.serial;
        out_.back() = placed;
        std::uint64_t serial = placed.serial;
        const auto follow = [&](story_kind kind, timestamp at, std::uint32_t value) {
            story_event e = placed;
            std::tie(e.kind, e.at, e.cents) = std::tie(kind, at, value);
            e.serial = serial += 30'000; // no other event's: the rest is told as without it
            out_.push_back(e);
        };
        switch (cents % 20) {
        case 3: follow(story_kind::order_cancelled, paid + hours{30}, 0); break;
        case 7:
        case 11: follow(story_kind::order_completed, paid + minutes{40}, cents - 700); break;
        case 13: follow(story_kind::order_refunded, paid + days{2}, cents / 4); [[fallthrough]];
        case 17: follow(story_kind::order_refunded, paid + days{3}, cents / 2); break;
        case 19:
            if (settings_.is_lifelike) { // of another currency, so none of the order
                follow(story_kind::order_refunded, paid + days{1}, cents / 5);
                out_.back().currency = (placed.currency + 1) % story_currencies;
            }
            break;
        default: break;
        }
    }

    void reply(timestamp at)
    {
        const auto text = add(story_kind::replied, at).choice = random_.below(story_replies);
        if (text == 0 && random_.chance(85))
            leave(story_kind::sms_unsubscribed, at + milliseconds{1'500});
        else if (text == 1 && random_.chance(30))
            leave(story_kind::sms_unsubscribed, at + hours{20});
    }

    void leave(story_kind kind, timestamp at)
    {
        story_event& left = add(kind, at);
        left.is_bare = settings_.is_lifelike && serial_ % 2 == 0;
        left.is_untyped = settings_.is_lifelike && serial_ % 3 == 0;
        const bool sms = kind == story_kind::sms_unsubscribed;
        if (random_.chance(15)) // and comes back
            add(sms ? story_kind::sms_subscribed : story_kind::email_subscribed,
                at + random_.within(days{20}) + minutes{1})
                .choice = random_.below(story_creatives);
        else
            (sms ? texted_ : mailed_) = false;
    }

    const story_settings& settings_;
    std::uint64_t person_;
    random_stream random_;
    std::vector<story_event>& out_;
    std::uint64_t serial_ = 0;
    bool texted_ = false;
    bool mailed_ = false;
    std::uint64_t turn_ = settings_.is_lifelike ? person_ / settings_.companies % 10 : 0;
    bool shares_phone_ = turn_ % 5 == 4; // the last of ten gets it, once it was given up
};

} // namespace

std::vector<story_event> tell_story(const story_settings& settings)
{
    std::vector<story_event> out;
    for (std::uint64_t n = 0; n < settings.people; ++n)
        biography{settings, settings.first_person + n, out}.tell();
    std::erase_if(out, [&](const story_event& e) { return e.at >= settings.until; });
    std::sort(out.begin(), out.end(), [](const story_event& a, const story_event& b) {
        return std::tie(a.at, a.serial) < std::tie(b.at, b.serial);
    });
    return out;
}

} // namespace gateway
