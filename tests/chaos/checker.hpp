// Decides from a sender's journals and the database's rows alone whether the promise was kept, as
// Jepsen's set checker does: what was answered 2xx is there, once; nothing is there that nobody
// sent. The key is the digest of the body as the sender sent it, not the gateway's own id: a
// gateway that makes ids wrongly must not vouch for itself. Pure: no files, no database, no clock.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gateway::chaos {

// The first 128 bits of a body's SHA-256: all that is needed to tell millions of bodies apart.
struct content_key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    auto operator<=>(const content_key&) const = default;
};

struct content_key_hash {
    std::size_t operator()(const content_key& k) const { return k.low; }
};

// From 64 hex digits; nothing from other text.
std::optional<content_key> key_from_hex(std::string_view sha256);
// The 32 hex digits that the journals' digests begin with.
std::string to_string(const content_key& k);

// Whether the harness's database refuses the event: one of 4,096, by its id.
bool is_poison(std::string_view event_id);

using moment = std::chrono::sys_time<std::chrono::milliseconds>;

struct period {
    moment from;
    moment to;
};

// What senders did and heard. One thread at a time.
class history {
public:
    // One line of a journal of what went to `daemon`. False when it is none: torn, or of another
    // form.
    bool add_line(std::string_view line, std::size_t daemon = 0);

    struct fate {
        bool acked = false;     // a 2xx was read for it
        bool refused = false;   // another status was read
        bool poison = false;    // the database refuses it
        std::uint32_t open = 0; // sends without an answer: cut, timed out, sender killed
        moment last_sent{};
    };

    const std::unordered_map<content_key, fate, content_key_hash>& fates() const { return fates_; }
    std::uint64_t sends() const { return sends_; } // retries included
    std::uint64_t acks() const { return acks_; }   // 2xx answers, of retries too
    std::uint64_t acked() const { return acked_; } // distinct bodies with one
    const std::map<int, std::uint64_t>& statuses() const { return statuses_; } // 0: no answer

    // Answers other than 2xx that came in none of these.
    std::uint64_t refusals_outside(const std::vector<period>& excused) const;
    // The longest that a daemon refused what it was sent, from the first such answer to its next
    // 2xx; to its last answer when there was none.
    std::chrono::milliseconds longest_window_outside(const std::vector<period>& excused) const;
    // What 99 of 100 answers 2xx did not exceed, in steps of 10 ms.
    std::chrono::milliseconds p99() const;

private:
    struct tick_answers {
        bool good = false; // a 2xx was read then
        std::uint64_t refusals = 0;
    };

    void answered(std::size_t daemon, moment at, int status);

    std::unordered_map<content_key, fate, content_key_hash> fates_;
    std::uint64_t sends_ = 0;
    std::uint64_t acks_ = 0;
    std::uint64_t acked_ = 0;
    std::map<int, std::uint64_t> statuses_;
    std::map<std::size_t, std::map<moment, tick_answers>> ticks_;  // of a daemon, by 10 ms
    std::map<std::chrono::milliseconds, std::uint64_t> latencies_; // of answers 2xx
};

enum class table { source_event, quarantine };

struct stored_row {
    table in = table::source_event;
    std::optional<content_key> body; // none: no delivery stands beside the event
};

struct verdict {
    std::uint64_t sends = 0;     // retries and second copies included
    std::uint64_t attempted = 0; // distinct bodies; the sum of the next three
    std::uint64_t acked = 0;
    std::uint64_t refused = 0;
    std::uint64_t unknown = 0;
    std::uint64_t unknown_stored = 0; // of refused and unknown: stored all the same, which is right
    std::uint64_t rows = 0;
    std::uint64_t quarantined = 0;
    std::uint64_t lost = 0;              // acked, and in neither table
    std::uint64_t duplicates = 0;        // rows beyond the first of a body
    std::uint64_t phantom = 0;           // rows of a body that nobody sent
    std::uint64_t misplaced = 0;         // innocent in quarantine, or poison in the log
    std::vector<std::string> violations; // "lost 0123…", the first thousand

    bool clean() const { return lost + duplicates + phantom + misplaced == 0; }
};

verdict check(const history& sent, const std::vector<stored_row>& stored);

} // namespace gateway::chaos
