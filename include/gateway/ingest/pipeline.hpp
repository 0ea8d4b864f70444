// The way of one delivery, in order: verify, normalize, write. The only place that knows all
// three steps; each is a function of another layer.
#pragma once

#include "gateway/attentive/verifier.hpp"
#include "gateway/base/result.hpp"
#include "gateway/model/delivery.hpp"
#include "gateway/model/receipt.hpp"
#include "gateway/store/writer.hpp"

#include <boost/asio/awaitable.hpp>

namespace gateway {

// One for each endpoint. Immutable; any I/O thread. The pipeline outlives what accept() returns.
// Destroy the writer, which completes what it holds, before the io_context of the coroutines.
class pipeline {
public:
    pipeline(verifier v, writer& w) : verifier_(std::move(v)), writer_(w) {}

    // Suspends until `d` is durable, without a time-out of its own: who waits may give up, the
    // write goes on. Goes on on the coroutine's executor. Fails as verifier::verify and
    // writer::submit do.
    boost::asio::awaitable<result<receipt>> accept(delivery d) const;

private:
    verifier verifier_;
    writer& writer_;
};

} // namespace gateway
