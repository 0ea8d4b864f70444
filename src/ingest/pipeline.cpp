// The steps of a delivery, and nothing else; see pipeline.hpp.
#include "gateway/ingest/pipeline.hpp"

namespace gateway {

void pipeline::accept(delivery d, completion done) const
{
    auto verified = verifier_.verify(std::move(d));
    if (verified.has_error())
        return done(std::move(verified).error());
    writer_.submit(std::move(verified).value(), std::move(done));
}

} // namespace gateway
