// The way of one delivery, in order: verify, then hand over to the writer, which maps it together
// with its batch and writes it. Each step is a function of another layer.
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
