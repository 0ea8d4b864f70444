// The way of one delivery, in order: verify, then hand over to the writer, which maps it together
// with its batch and writes it. Each step is a function of another layer.
#pragma once

#include "gateway/attentive/verifier.hpp"
#include "gateway/base/metrics.hpp"
#include "gateway/base/result.hpp"
#include "gateway/model/delivery.hpp"
#include "gateway/model/receipt.hpp"
#include "gateway/store/writer.hpp"

#include <array>
#include <string>
#include <vector>

namespace gateway {

// The counters of an endpoint's signatures: those that a key made, those refused for `why`.
counter verified_signatures(const std::string& endpoint, const std::string& key_id);
counter refused_signatures(const std::string& endpoint, errc why);

// One for each endpoint. Immutable; any thread.
class pipeline {
public:
    // `endpoint` and `key_ids` (those of `v`) name the metrics.
    pipeline(verifier v, writer& w, const std::string& endpoint,
             const std::vector<std::string>& key_ids);

    // Calls `done` when `d` is durable, or at once when it is refused; without a time-out of its
    // own: who waits may give up, the write goes on. Fails as verifier::verify and writer::submit.
    void accept(delivery d, completion done) const;

private:
    void count_failure(errc why) const;

    struct signing_key_count {
        std::string id;
        counter verified;
    };

    verifier verifier_;
    writer& writer_;
    std::string endpoint_;
    std::vector<signing_key_count> keys_;
    std::array<counter, 4> failures_; // by reason, in the order of errc
};

} // namespace gateway
