// A listener on its own thread and a port from the kernel, with a handler that remembers what it
// was given. The handler is the test's database: real sockets and real TLS in front of it.
#pragma once

#include "gateway/base/digest.hpp"
#include "gateway/listener/listener.hpp"
#include "support/tls_client.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gateway::test {

using namespace std::chrono_literals;

inline constexpr std::string_view hook_path = "/hook";

struct server_options {
    bool tls = true;
    listener_limits limits{};
    std::vector<std::string> trusted_proxies{};
    bool proxy_protocol = false;
    delivery_handler handler{}; // empty: stored, with an id made from the body
    std::function<std::chrono::milliseconds(const delivery&)> delay{}; // before it is stored
};

// Limits that let a test wait for every deadline in a fraction of a second.
listener_limits short_limits();

class listener_server {
public:
    explicit listener_server(server_options options = {});
    ~listener_server();
    listener_server(const listener_server&) = delete;
    listener_server& operator=(const listener_server&) = delete;

    std::uint16_t port() const { return port_; }
    client_options client() const;
    tls_client connect() const { return tls_client{client()}; }

    // Runs `work` on the listener's thread and waits for it.
    void on_loop(const std::function<void(listener&)>& work);
    // The same again and again, between all else that the listener's thread has to do, while it
    // says so. Does not wait.
    void at_each_turn(std::function<bool()> work);
    void announce_drain();
    // Drains with `time` from now as deadline; returns how long it took.
    std::chrono::milliseconds drain(std::chrono::milliseconds time);

    std::size_t connections();
    std::vector<delivery> handled() const; // in order
    bool wait_for_connections(std::size_t n, std::chrono::milliseconds time = 3s);

    std::atomic<bool> healthy{true};
    std::atomic<int> health_asked{0}; // requests of /healthz

private:
    void remember(delivery d, completion done);

    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
        io_.get_executor()};
    std::filesystem::path folder_;
    bool tls_;
    delivery_handler handler_;
    std::function<std::chrono::milliseconds(const delivery&)> delay_;
    mutable std::mutex mutex_;
    std::vector<delivery> handled_;
    std::unique_ptr<listener> listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

// A POST to the hook, as Attentive sends it.
std::string post(std::string_view body, std::string_view more_fields = {});

// A pair of files in `folder`, which is created.
tls_context write_and_load(const self_signed& pair, const std::filesystem::path& folder);

std::filesystem::path make_folder();

} // namespace gateway::test
