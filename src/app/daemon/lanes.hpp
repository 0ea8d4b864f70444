// The I/O threads of the webhook port. Each has a loop of its own, and a listener that only this
// loop runs, on a duplicate of the listening socket: nothing is shared, and so nothing locked.
#pragma once

#include "gateway/listener/listener.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>

namespace gateway {

class lanes {
public:
    using clock = std::chrono::steady_clock;

    explicit lanes(std::size_t threads);

    // The loop of the thread that calls run(): for all else that the process listens to. All calls
    // but this are made on it, or before it runs.
    boost::asio::io_context& first() { return lanes_.front().io; }

    // Fails with io_failed when the process may not have as many open files.
    result<void> listen(boost::asio::ip::tcp::acceptor acceptor, const listener_settings& s);
    void start();
    // Runs all loops until nothing is left to do for any of them.
    void run();

    // From the next request on, or the next connection.
    void replace(const listener_settings& s);
    void replace_tls(const tls_context& tls);

    void announce_drain();
    boost::asio::awaitable<void> drain(clock::time_point deadline);

    // Whether each loop has run since `time`; asks all of them to run soon.
    bool have_run_since(clock::time_point time);

private:
    struct lane {
        boost::asio::io_context io{1};
        std::unique_ptr<listener> serving;
        std::atomic<clock::time_point> ran{clock::now()};
    };
    void on_each(const std::function<void(lane&)>& what);

    std::deque<lane> lanes_;
};

} // namespace gateway
