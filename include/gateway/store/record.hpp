// Events of other sources than Attentive, through gateway.record_rows: for files of them, and for
// the parts of this program that play the shop, whose own pipeline calls gateway.record_event.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gateway {

struct recorded_event {
    std::string source;     // "shop"
    std::string event_name; // "page.viewed", "order.completed", ...: see gateway.record_event
    std::string company_id;
    timestamp occurred_at{};
    std::string identifiers; // JSON object: {"email":"jane@example.com"}
    std::string page_url;    // these, empty: absent
    std::string order_id;
    std::string order_value; // decimal: "84.20"
    std::string currency;
};

// Records all in one transaction; those known already change nothing. Fails with
// database_unavailable, or with database_failed when one is refused: the others are recorded.
result<void> record_events(const std::string& database_url,
                           const std::vector<recorded_event>& events);

// What an event of another source has, as gateway.record_event names it without its p_.
enum class event_field : std::uint8_t {
    source,
    event_name,
    company_id,
    occurred_at, // with a time zone
    identifiers, // JSON
    page_url,
    order_id,
    order_value, // decimal
    currency,
    updated_at, // as occurred_at
    discount_code,
    items_count, // a whole number
};
inline constexpr std::array<const char*, 12> event_field_names = {
    "source",   "event_name",  "company_id", "occurred_at", "identifiers",   "page_url",
    "order_id", "order_value", "currency",   "updated_at",  "discount_code", "items_count"};

// An event in words, UTF-8 without NUL, from a line of a file.
struct staged_event {
    std::uint64_t line = 0;
    std::array<std::optional<std::string>, event_field_names.size()> values;

    std::optional<std::string>& operator[](event_field f)
    {
        return values[static_cast<std::size_t>(f)];
    }
};

struct refused_event {
    std::uint64_t line = 0;
    std::string field; // of event_field_names, or empty
    std::string reason;
};

struct recorded_chunk {
    std::uint64_t recorded = 0;
    std::uint64_t known = 0; // the log had them, nothing changed
    std::vector<refused_event> refused;
};

// Records thousands of events at once, through COPY into a temporary table. One thread at a time.
class event_recorder {
public:
    explicit event_recorder(std::string database_url);
    ~event_recorder();
    event_recorder(event_recorder&&) noexcept;

    // Records those that are good in one transaction, which is durable when this returns, in the
    // order given; the others are told. Fails with database_unavailable, and with database_failed
    // for want of a right: nothing of `events` is recorded then, as far as is known. To record them
    // again is harmless.
    result<recorded_chunk> record(std::span<const staged_event> events);

private:
    struct connected;
    std::string url_;
    std::unique_ptr<connected> connected_;
};

} // namespace gateway
