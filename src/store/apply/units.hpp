// How deliveries are put in order to be applied: those of one event share a unit, units stand in
// key order, and a unit that PostgreSQL refuses is found by halving. Pure: the database is a
// function given in.
#pragma once

#include "store/write/pending.hpp"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace gateway {

// Deliveries that are one row, the first of them being what is written: equal events by key, or
// equal refusals by quarantine id. Never empty.
struct unit {
    std::vector<std::unique_ptr<pending>> members;
    uuid id; // the event's, or the quarantine row's

    const pending& first() const { return *members.front(); }
    bool is_event() const { return first().is_event(); }
};

// Units in key order, events before refusals; members keep the order they came in.
std::vector<unit> group(std::vector<std::unique_ptr<pending>> given);

enum class verdict {
    written,  // committed; the attempt has answered the senders
    rejected, // PostgreSQL refused a value: some unit of these is poison, none was written
    refused,  // none was written, for a reason that may be one unit's: what a trigger raised, a
              // damaged page, a partition without space or right
    failed,   // none was written, as far as we know; trying a part would not help
};
using attempt = std::function<verdict(std::span<unit>)>;

struct unwritten {
    std::vector<unit> failed;  // the database took nothing: it may take all of them later
    std::vector<unit> refused; // one by one, while others were taken; even as quarantine rows
};

// What is known of the database besides the units at hand.
enum class takes_others { unknown, yes };

// Writes all units that can be written, in as few attempts as can be: all at once, and when that is
// rejected, halves until the poison unit stands alone, which becomes quarantine rows
// (database_rejected) and goes with the rest into the next attempt. For k poison units of n at most
// k (log2 n + 1) more. When it is refused, halves of halves, each for itself, until those that are
// refused stand alone. They are condemned to nothing, since what is in the way may go. Unless
// others are known to be taken, one that is written has to prove that it is not the database which
// refuses everything: that is given up after 31 attempts, and all of them have failed.
unwritten write_all(std::vector<unit> units, const attempt& write,
                    takes_others others = takes_others::unknown);

} // namespace gateway
