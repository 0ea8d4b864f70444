#include "gateway/ingest/pipeline.hpp"

#include "gateway/attentive/normalizer.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

namespace gateway {
namespace {

namespace asio = boost::asio;

// Suspends the session until the writer has settled `d`. The completion runs on a writer's
// thread: it only posts, so that the session goes on where it lives. The work guard keeps that
// loop running until then, whatever else ends.
asio::awaitable<result<receipt>> committed(writer& w, verified_delivery d, normalized what)
{
    auto start = [&w, d = std::move(d), what = std::move(what)](auto handler) mutable {
        auto work = asio::make_work_guard(handler);
        // Shared, because std::function copies; the handler itself can only be moved.
        auto resume = std::make_shared<decltype(handler)>(std::move(handler));
        w.submit(std::move(d), std::move(what),
                 [work = std::move(work), resume](result<receipt> r) {
                     asio::post(work.get_executor(),
                                [resume, r = std::move(r)]() mutable { (*resume)(std::move(r)); });
                 });
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(result<receipt>)>(
        std::move(start), asio::use_awaitable);
}

} // namespace

asio::awaitable<result<receipt>> pipeline::accept(delivery d) const
{
    auto verified = verifier_.verify(std::move(d));
    if (!verified)
        co_return verified.error();
    auto what = normalize(verified.value());
    auto settled = co_await committed(writer_, std::move(verified).value(), std::move(what));
    co_return settled;
}

} // namespace gateway
