// The second place where events become durable: whatever the database does not take goes through
// an inbox and a thread of its own into the local spool, one transaction for all that queued, and
// is answered as stored once it is fsynced.
#pragma once

#include "gateway/base/log_limit.hpp"
#include "gateway/base/worker.hpp"
#include "gateway/store/spool.hpp"
#include "store/write/inbox.hpp"
#include "store/write/metrics.hpp"
#include "store/write/pending.hpp"

#include <chrono>
#include <memory>
#include <vector>

namespace gateway {

class spooler {
public:
    // `into` outlives this object. `limit` bounds what waits, `batch` one transaction. What is
    // spooled is the delivery; it is mapped to tell the sender what it will become.
    spooler(spool& into, bounds limit, bounds batch, mapping_function map);
    // Spools what waits, then joins.
    ~spooler();
    spooler(const spooler&) = delete;
    spooler& operator=(const spooler&) = delete;

    // Takes `p` and answers it: as stored (or quarantined) once it is on the disk, or with the
    // spool's own error. When too much waits, `p` is answered overloaded at once. Any thread.
    void take(std::unique_ptr<pending> p);

    // For how long the thread has been at one batch. Any thread.
    std::chrono::milliseconds busy_for(worker::clock::time_point now) const
    {
        return thread_.busy_for(now);
    }

private:
    void run(worker& self);
    void append(std::vector<std::unique_ptr<pending>> taken);

    spool& spool_;
    inbox box_;
    const bounds batch_;
    const mapping_function map_;
    log_limit refused_log_;
    delivery_metrics metrics_; // the thread's own
    worker thread_{"spooler", [this](worker& self) { run(self); }};
};

} // namespace gateway
