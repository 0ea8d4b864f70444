#include "app/daemon/lanes.hpp"

#include "gateway/base/log.hpp"
#include "gateway/base/worker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

#include <unistd.h>

namespace gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// An exception out of a handler is a fault of ours; the connections beside it go on.
void run_loop(asio::io_context& io)
{
    for (;;) {
        try {
            io.run();
            return;
        } catch (const std::exception& e) {
            write_log(severity::error, "handler_failed",
                      "a handler failed, the loop goes on: {error.message}",
                      {{"error.message", e.what()}});
        }
    }
}

result<tcp::acceptor> duplicate(tcp::acceptor& original, asio::io_context& io)
{
    const int descriptor = ::dup(original.native_handle());
    if (descriptor < 0)
        return fail(errc::io_failed, "the listening socket cannot be duplicated for a second "
                                     "thread: raise the limit of open files");
    return tcp::acceptor{io, original.local_endpoint().protocol(), descriptor};
}

} // namespace

lanes::lanes(std::size_t threads) : lanes_(threads) {}

result<void> lanes::listen(tcp::acceptor acceptor, const listener_settings& s)
{
    for (auto each = std::next(lanes_.begin()); each != lanes_.end(); ++each) {
        BOOST_OUTCOME_TRY(auto copy, duplicate(acceptor, each->io));
        each->serving = std::make_unique<listener>(std::move(copy), s);
    }
    lanes_.front().serving = std::make_unique<listener>(std::move(acceptor), s);
    return ok();
}

void lanes::start()
{
    for (auto& each : lanes_)
        each.serving->start();
}

void lanes::run()
{
    std::deque<worker> threads;
    for (auto each = std::next(lanes_.begin()); each != lanes_.end(); ++each)
        threads.emplace_back("listener", [&io = each->io](worker&) { run_loop(io); });
    run_loop(first());
}

void lanes::on_each(const std::function<void(lane&)>& what)
{
    for (auto& each : lanes_)
        asio::post(each.io, [&each, what] { what(each); });
}

void lanes::replace(const listener_settings& s)
{
    on_each([s](lane& each) { each.serving->replace(s); });
}

void lanes::replace_tls(const tls_context& tls)
{
    on_each([tls](lane& each) { each.serving->replace_tls(tls); });
}

void lanes::announce_drain()
{
    on_each([](lane& each) { each.serving->announce_drain(); });
}

asio::awaitable<void> lanes::drain(clock::time_point deadline)
{
    for (auto& each : lanes_) {
        auto drained = each.serving->drain(deadline);
        co_await asio::co_spawn(each.io, std::move(drained), asio::use_awaitable);
    }
}

bool lanes::have_run_since(clock::time_point time)
{
    on_each([](lane& each) { each.ran = clock::now(); });
    return std::all_of(lanes_.begin(), lanes_.end(),
                       [time](const lane& each) { return each.ran.load() > time; });
}

} // namespace gateway
