// The last deliveries that came to this process and what became of them, for whoever looks at the
// admin port: also those that never reach the database. Bounded, and without personal data: a
// type, a reason and a company, never a subscriber or a word of a body.
#pragma once

#include "gateway/base/time.hpp"

#include <array>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// What is said of a delivery; views, because noting one must not cost an allocation.
struct delivery_note {
    timestamp received_at{};
    std::string_view endpoint;
    std::string_view type;    // the sender's; empty when it was not looked at
    std::string_view outcome; // accepted, quarantined, spooled or refused
    std::string_view reason;  // why it was quarantined or refused, else empty
    std::string_view company_id;
    std::string_view company_name;
};

struct noted_delivery {
    timestamp received_at{};
    std::string endpoint, type, outcome, reason, company_id, company_name;
};

// Any thread. Texts are cut at text_bytes_max, which can cut a character in two.
class delivery_notes {
public:
    static constexpr std::size_t signed_max = 50;
    static constexpr std::size_t unsigned_max = 20;
    static constexpr std::size_t text_bytes_max = 120;

    void note(const delivery_note& n);
    // Those that nobody signed are kept apart: whoever floods the port with them hides nothing.
    void note_unsigned(const delivery_note& n);

    // By received_at, the newest first.
    std::vector<noted_delivery> newest_first() const;

private:
    template <std::size_t size>
    struct ring {
        std::array<noted_delivery, size> kept;
        std::size_t count = 0; // ever noted

        void add(const delivery_note& n);
    };

    mutable std::mutex mutex_;
    ring<signed_max> signed_;
    ring<unsigned_max> unsigned_;
};

// Those of this process; as there is one process to look at, there is one.
delivery_notes& newest_deliveries();

} // namespace gateway
