// stub
#pragma once
#include "gateway/base/result.hpp"
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <string>
#include <vector>
namespace gateway {
inline result<boost::asio::ip::tcp::acceptor> open_admin_acceptor(boost::asio::io_context& io, const std::string&) { return boost::asio::ip::tcp::acceptor{io, {boost::asio::ip::tcp::v4(), 0}}; }
class admin_server { public: admin_server(boost::asio::ip::tcp::acceptor, std::function<std::vector<std::string>()>) {} void start() {} void stop() {} };
}
