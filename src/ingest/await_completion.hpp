// Turns a completion that some other thread will call once into something a coroutine waits for.
// The one place where the store's threads hand back to the I/O thread.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/model/receipt.hpp"
#include "gateway/store/writer.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

namespace gateway {

// Calls `start(completion)` at once and suspends until the completion was called: on any thread,
// at once or later. The coroutine goes on on its own executor, never inside `start` and never on
// the caller's thread. Whoever waits for the coroutine may have given up: it ends all the same.
template <class Start>
boost::asio::awaitable<result<receipt>> await_completion(Start start)
{
    auto initiate = [start = std::move(start)](auto handler) mutable {
        auto work = boost::asio::make_work_guard(handler);
        // Shared because a completion is copyable and a handler is not; emptied by its one call,
        // so that the last reference is dropped on the coroutine's thread.
        auto resume = std::make_shared<decltype(handler)>(std::move(handler));
        completion done = [work, resume](result<receipt> r) mutable {
            auto go_on = [resume = std::move(resume), r = std::move(r)]() mutable {
                (*resume)(std::move(r));
            };
            boost::asio::post(work.get_executor(), std::move(go_on));
        };
        resume.reset();
        start(std::move(done));
    };
    using token = const boost::asio::use_awaitable_t<>;
    co_return co_await boost::asio::async_initiate<token, void(result<receipt>)>(
        std::move(initiate), boost::asio::use_awaitable);
}

} // namespace gateway
