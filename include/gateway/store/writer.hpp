// Makes deliveries durable: an inbox bounded in events and bytes, and writer threads that take what
// queued while the last batch committed and append it to the database's intake as one transaction.
// The completion runs only after COMMIT, so a 2xx means durable. The applier makes events of it.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"
#include "gateway/model/delivery.hpp"
#include "gateway/model/receipt.hpp"
#include "gateway/store/batch_settings.hpp"
#include "gateway/store/spool.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

struct writer_settings : batch_settings {
    std::size_t threads = 2; // each with its own connection
    std::size_t inbox_events_max = 20'000;
    std::size_t inbox_bytes_max = 64U << 20U;
    spool_link fallback = {};
};

struct writer_status {
    std::size_t inbox_events = 0; // waiting for a batch
    std::size_t inbox_bytes = 0;
    // The longest that a thread of the store has been at one step: a commit, an fsync. Each has a
    // limit of its own below ten seconds; more than that means a thread that hangs. A connect is no
    // such step: it may take as long as the url gives its hosts, and keeps nobody.
    std::chrono::milliseconds stalled_for{};
    // When the first signed delivery was refused with none kept since; nothing while they are kept.
    // Known to this process alone: it forgets with it.
    std::optional<timestamp> refusing_since;
    // Why the last connection could not be made; nothing once one could. Time heals what is
    // database_unavailable; a schema_mismatch or database_failed takes somebody.
    std::optional<error> trouble;
    bool login_refused = false; // that is it: the server turns our login away
};

// Makes the counters of what becomes of an endpoint's deliveries, at 0, so that the first delivery
// of each of `types` shows as an increase.
void announce_deliveries(const std::string& endpoint, const std::vector<std::string>& types);

class writer {
public:
    // Starts the threads; they connect by themselves, with back-off, for as long as it takes.
    explicit writer(writer_settings settings);
    // Commits what is in the inbox, then joins the threads.
    ~writer();
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;

    // Queues `d`, which is mapped with its batch. Any thread; never blocks on the database.
    // `done` is called on a writer thread, or on the caller's when the inbox is full. With a spool,
    // what the database does not take is stored there and succeeds. Fails with overloaded (inboxes
    // full, or stopping), database_unavailable or database_failed (not stored as far as we know;
    // the sender has to send again), spool_full or spool_failed.
    void submit(verified_delivery d, completion done);

    // Whether an event given now could be made durable: the database takes events, or the spool has
    // room. Any thread.
    bool available() const;

    // Whether the database takes events: each connection is tried with an empty batch when it had
    // nothing to write for a second, so this is true to within a few. Any thread.
    bool direct() const;

    // Any thread; cheap.
    writer_status status() const;

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
