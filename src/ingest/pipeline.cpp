#include "gateway/ingest/pipeline.hpp"

#include "await_completion.hpp"

#include "gateway/attentive/normalizer.hpp"

namespace gateway {

boost::asio::awaitable<result<receipt>> pipeline::accept(delivery d) const
{
    auto verified = verifier_.verify(std::move(d));
    if (verified.has_error())
        co_return std::move(verified).error();
    auto submit = [&w = writer_, v = std::move(verified).value()](completion done) mutable {
        auto what = normalize(v);
        w.submit(std::move(v), std::move(what), std::move(done));
    };
    auto stored = await_completion(std::move(submit));
    co_return co_await std::move(stored);
}

} // namespace gateway
