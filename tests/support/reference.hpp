// What the reports have to say about a story, computed from the story alone in plain code: no SQL,
// no log, no view. Each function returns the rows of one view as text, in no certain order.
#pragma once

#include "gateway/base/uuid.hpp"
#include "gateway/demo/story.hpp"
#include "support/site.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace gateway::test {

using text_rows = std::vector<std::vector<std::string>>;

enum class story_zone { utc, new_york, lord_howe };

// How far its clocks are ahead of UTC.
std::chrono::minutes ahead_of_utc(story_zone zone, timestamp t);

struct story_fact {
    story_event event;
    std::string company;
    uuid subscriber;         // by the strongest identifier that the event gave
    uuid profile;            // the subscriber that was seen first of those that are the person
    bool is_suspect = false; // a machine opened or clicked
};

class reference {
public:
    // `zones[n]`: whose clock company n has. `now_micros`: now(), in microseconds since 1970.
    // `erased`: subscribers who have no address any more.
    reference(const std::vector<story_event>& story, std::vector<story_zone> zones,
              std::int64_t now_micros, std::set<uuid> erased = {});
    reference(const reference&) = delete;
    reference& operator=(const reference&) = delete;

    text_rows source_event() const; // day, event_name, profile, count
    text_rows link_clicks() const;
    text_rows link_clicks_daily() const;
    text_rows inbound_messages() const;
    text_rows subscriber_timeline() const;
    text_rows attributed_orders() const;
    text_rows revenue_by_message() const;
    text_rows click_to_site() const;
    text_rows audience_quality() const;
    text_rows audience_quality_summary() const;
    text_rows feed_health() const;
    text_rows consent_movement_daily() const;
    text_rows audience_size_daily() const;
    text_rows current_subscribers() const;
    text_rows subscriber_consent() const;
    text_rows message_performance() const;
    text_rows company() const;
    // Everybody who is one person with the subscriber.
    std::set<uuid> same_person(const uuid& subscriber) const;
    text_rows pii_subscriber() const;
    text_rows address_consent() const;
    text_rows pii_inbound_messages() const;
    text_rows sessions() const;
    text_rows funnel() const;

private:
    // An opt-in or opt-out as one of a type, with what was decided on that before it.
    struct consent_step {
        std::string type;
        const story_fact* fact;
        const story_fact* first_grant; // so far; null when there was none
        const story_fact* last_grant;
        const story_fact* source; // the last grant that changed the state
        const story_fact* last_revocation;
        bool grants;
        bool changes; // the state
        bool stands;  // nothing was decided later
    };
    // An order as it was told last, and what became of it.
    struct placed_order {
        const story_fact* fact = nullptr;
        std::map<std::uint32_t, std::int64_t> refunds; // cents by currency
        std::int64_t given_back = 0;                   // of its own currency, or all of it
        bool is_cancelled = false;
        int number = 0; // of the customer's
    };
    // Whoever has an address: of a phone those of it for SMS, of an e-mail address for e-mail.
    struct recipient {
        std::map<uuid, const story_fact*> members; // with one of their events
        std::vector<const story_fact*> decisions;  // of all of them
    };
    struct performance;
    using performances =
        std::map<std::vector<std::string>, performance>; // of company, channel, key
    // One decision after the others of its kind.
    static void decide(std::vector<consent_step>& out, const story_fact& f,
                       const std::string& type);
    static std::set<std::string> named_types(const std::vector<const story_fact*>& decisions);
    // For each type that any of them names those that concern it, one after the other.
    static std::vector<std::vector<consent_step>>
    by_type(const std::vector<const story_fact*>& decisions);
    static std::vector<consent_step> heard_by(const recipient& r, const uuid& subscriber,
                                              const std::string& type);
    std::vector<consent_step> decisions() const; // of each recipient, in order
    std::set<std::string> rare_subjects() const;
    std::map<std::string, std::string> messages_of_subjects() const;
    performances events_of_messages() const;
    struct departure {
        uuid subscriber;
        const story_fact* sent; // the message before it
        std::chrono::milliseconds after;
    };
    std::vector<departure> departures() const;
    const story_fact* last_send_before(const story_fact& f, const uuid& subscriber) const;
    const story_fact* send_of(const story_fact& f) const;
    std::string day(const story_fact& f) const;
    void find_people();
    bool is_machines(const story_fact& f) const;
    const story_fact* credited(const story_fact& order) const;
    std::string message_name(const story_fact* touch) const;
    std::vector<placed_order> orders() const;
    std::vector<std::string> audience_row(const consent_step& last) const;
    std::vector<site_event> site_events(const std::string& company) const;
    std::vector<const story_fact*> of_same_profile(const story_fact& f) const;

    std::vector<story_fact> facts_; // oldest first
    std::map<uuid, std::vector<const story_fact*>> by_profile_;
    std::map<uuid, std::vector<const story_fact*>> by_subscriber_;
    std::map<std::pair<bool, uuid>, recipient> recipients_; // SMS? and one of its members
    std::vector<story_zone> zones_;
    std::int64_t now_micros_;
    std::set<uuid> erased_;
};

// How long after it happened the tests let Attentive's event `e` come in.
std::chrono::milliseconds story_delay(const story_event& e);

} // namespace gateway::test
