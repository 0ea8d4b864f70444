// Decides what becomes of deliveries that the database did not take, or may not have taken: the
// spool keeps them, or the sender has to send them again. Whoever gives them here owes nothing any
// more.
#pragma once

#include "gateway/base/log_limit.hpp"
#include "gateway/base/result.hpp"
#include "gateway/store/writer.hpp"
#include "store/write/metrics.hpp"
#include "store/write/pending.hpp"
#include "store/write/spooler.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

namespace gateway {

// Any thread.
class fallback {
public:
    explicit fallback(const writer_settings& settings);

    bool has_spool() const { return spooling_ != nullptr; }

    // `why` is what a sender hears that has to send again.
    void take(std::unique_ptr<pending> p, const error& why);
    void take(std::vector<std::unique_ptr<pending>> given, const error& why);

    // As take(), and says in the log that the database did not take them.
    void take_refused(std::vector<std::unique_ptr<pending>> given, const error& why);

    // For how long the spool's thread has been at one batch; zero without a spool.
    std::chrono::milliseconds busy_for(worker::clock::time_point now) const;

private:
    const mapping_function map_;
    std::mutex mutex_; // without a spool: refusals happen on any thread
    delivery_metrics refused_;
    log_limit log_;
    std::unique_ptr<spooler> spooling_; // with a spool only
};

} // namespace gateway
