#include "support/tcp_proxy.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace gateway::test {

namespace {

constexpr std::chrono::milliseconds patience{20}; // how late a change of traffic is noticed

template <class Address>
sockaddr* generic(Address& a)
{
    return reinterpret_cast<sockaddr*>(&a);
}

int connect_unix(const std::filesystem::path& path)
{
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, path.c_str(), sizeof to.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, generic(to), sizeof to) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

// A close that the peer sees as a reset.
void close_hard(int fd)
{
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(fd);
}

bool send_all(int fd, const char* bytes, std::size_t size)
{
    while (size > 0) {
        const ssize_t sent = ::send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

} // namespace

// One client and its connection to the server.
struct tcp_proxy::link {
    link(int c, int s, const std::atomic<traffic>& t) : client(c), server(s), mode(t)
    {
        up = std::thread{[this] { pump(client, server, false); }};
        down = std::thread{[this] { pump(server, client, true); }};
    }

    ~link()
    {
        drop();
        up.join();
        down.join();
        close_hard(client);
        ::close(server);
    }

    void drop()
    {
        ended = true;
        ::shutdown(client, SHUT_RDWR);
        ::shutdown(server, SHUT_RDWR);
    }

    void pump(int from, int to, bool replies)
    {
        std::array<char, 65536> buffer;
        while (!ended) {
            pollfd readable{from, POLLIN, 0};
            const int ready = ::poll(&readable, 1, static_cast<int>(patience.count()));
            if (mode == traffic::stalls) {
                std::this_thread::sleep_for(patience);
                continue;
            }
            if (ready == 0)
                continue;
            const ssize_t size = ::recv(from, buffer.data(), buffer.size(), 0);
            if (size <= 0)
                break;
            if (replies && mode == traffic::loses_replies)
                continue;
            if (!send_all(to, buffer.data(), static_cast<std::size_t>(size)))
                break;
        }
        drop();
    }

    const int client;
    const int server;
    const std::atomic<traffic>& mode;
    std::atomic<bool> ended{false};
    std::thread up;
    std::thread down;
};

tcp_proxy::tcp_proxy(std::filesystem::path server_socket) : server_socket_(std::move(server_socket))
{
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening_ < 0 || ::bind(listening_, generic(here), sizeof here) != 0 ||
        ::listen(listening_, 64) != 0 || ::getsockname(listening_, generic(here), &size) != 0)
        throw std::system_error{errno, std::generic_category(), "proxy"};
    port_ = ntohs(here.sin_port);
    accepting_ = std::thread{[this] { accept_all(); }};
}

tcp_proxy::~tcp_proxy()
{
    stopping_ = true;
    accepting_.join();
    ::close(listening_);
}

void tcp_proxy::set(traffic t)
{
    traffic_ = t;
    if (t == traffic::is_cut)
        drop_all();
}

void tcp_proxy::accept_all()
{
    while (!stopping_) {
        sweep();
        pollfd waiting{listening_, POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(patience.count())) <= 0)
            continue;
        const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0)
            continue;
        const int server = traffic_ == traffic::is_cut ? -1 : connect_unix(server_socket_);
        if (server < 0) {
            close_hard(client);
            continue;
        }
        const int on = 1;
        ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const std::lock_guard lock{mutex_};
        links_.push_back(std::make_unique<link>(client, server, traffic_));
        if (traffic_ == traffic::is_cut)
            links_.back()->drop();
    }
}

void tcp_proxy::drop_all()
{
    const std::lock_guard lock{mutex_};
    for (const auto& each : links_)
        each->drop();
}

void tcp_proxy::sweep()
{
    const std::lock_guard lock{mutex_};
    links_.remove_if([](const auto& each) { return each->ended.load(); });
}

} // namespace gateway::test
