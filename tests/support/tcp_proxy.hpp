// A TCP port before a server's unix socket that can be made to misbehave, so that a test breaks
// the network between a client and a real server without touching either.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace gateway::test {

enum class traffic {
    flows,
    is_cut,       // connections are reset, new ones too
    stalls,       // connections stay open, new ones are taken, and nothing moves
    loses_replies // the server hears the client, the client hears nothing
};

// Serves from construction to destruction on threads of its own. Any thread.
class tcp_proxy {
public:
    // Throws std::system_error when there is no port to be had.
    explicit tcp_proxy(std::filesystem::path server_socket);
    ~tcp_proxy();
    tcp_proxy(const tcp_proxy&) = delete;
    tcp_proxy& operator=(const tcp_proxy&) = delete;

    std::uint16_t port() const { return port_; }
    void set(traffic t);

private:
    struct link;

    void accept_all();
    void drop_all();
    void sweep();

    const std::filesystem::path server_socket_;
    int listening_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<traffic> traffic_{traffic::flows};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::list<std::unique_ptr<link>> links_;
    std::thread accepting_;
};

} // namespace gateway::test
