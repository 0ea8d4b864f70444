// The three steps of a delivery, and nothing else; see pipeline.hpp.
#include "gateway/ingest/pipeline.hpp"

#include "gateway/attentive/normalizer.hpp"

namespace gateway {

void pipeline::accept(delivery d, completion done) const
{
    auto verified = verifier_.verify(std::move(d));
    if (verified.has_error())
        return done(std::move(verified).error());
    auto what = normalize(verified.value());
    writer_.submit(std::move(verified).value(), std::move(what), std::move(done));
}

} // namespace gateway
