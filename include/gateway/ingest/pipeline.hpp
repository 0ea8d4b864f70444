// The way of one delivery, in order: verify, normalize, write. The only place that knows all
// three steps; each is a function of another layer.
#pragma once

#include "gateway/attentive/verifier.hpp"
#include "gateway/base/result.hpp"
#include "gateway/model/delivery.hpp"
#include "gateway/model/receipt.hpp"
#include "gateway/store/writer.hpp"

namespace gateway {

// One for each endpoint. Immutable; any thread.
class pipeline {
public:
    pipeline(verifier v, writer& w) : verifier_(std::move(v)), writer_(w) {}

    // Calls `done` when `d` is durable, or at once when it is refused; without a time-out of its
    // own: who waits may give up, the write goes on. Fails as verifier::verify and writer::submit.
    void accept(delivery d, completion done) const;

private:
    verifier verifier_;
    writer& writer_;
};

} // namespace gateway
