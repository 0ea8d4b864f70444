// Takes people and old data out of the database: erasure of one person, and retention by age. What
// both reach is decided in SQL (store/sql/privacy), in one transaction each.
#pragma once

#include "gateway/base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gateway {

struct erase_request {
    std::string company_id;
    std::string kind;  // "phone", "email", "attentive_external_id"
    std::string value; // as the person wrote it; brought into its normal form
    bool dry_run = false;
    // Who has the identifier, not everybody who is one profile with it; and who is known by nothing
    // but identifiers that are theirs alone.
    bool only_this_subscriber = false;
};

// What an erasure reached, or would reach.
struct erase_report {
    std::vector<std::string> people; // of each subscriber the identifiers, masked
    std::uint64_t subscribers = 0;   // that were the person
    std::uint64_t events = 0;        // blanked; they still count
    std::uint64_t deliveries = 0;    // raw bodies deleted
    std::uint64_t quarantined = 0;   // bodies blanked
};

// Erases everybody who is one profile with the identifier. Nothing is applied to the log for as
// long as it takes. Fails with config_invalid when the value is no such identifier or belongs to
// several profiles, or when others would be opted in again because the opt-out that reached them is
// of whom alone is erased; with database_unavailable or database_failed.
result<erase_report> erase(const std::string& database_url, const erase_request& request);

struct retention_settings { // days; 0 keeps for ever
    std::size_t delivery_days = 30;
    std::size_t quarantine_days = 90;
    std::size_t source_event_days = 0;
    // Less than a service manager waits for a stop: on a frozen backend nothing else ends the call.
    std::chrono::milliseconds limit = std::chrono::seconds{30};
};

struct retention_dropped {
    std::string what;       // "gateway.delivery_2026_10_01"
    std::uint64_t rows = 0; // an estimate for partitions
};

// Drops what is older, within the limit. Fails with database_unavailable, or database_failed, also
// while another transaction lasts that holds the log; trying again is safe.
result<std::vector<retention_dropped>> apply_retention(const std::string& database_url,
                                                       const retention_settings& settings);

} // namespace gateway
