// The types of what one loop runs. Naming the executor's type, instead of asio::any_io_executor,
// spares an allocation and an indirect call at each resumption.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace gateway {

using loop_executor = boost::asio::io_context::executor_type;

template <class T>
using task = boost::asio::awaitable<T, loop_executor>;

inline constexpr boost::asio::use_awaitable_t<loop_executor> use_task;

using loop_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, loop_executor>;
using loop_timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, loop_executor>;

} // namespace gateway
