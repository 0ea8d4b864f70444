// A thread a connection, each in step with its client: read a call, pass it on, read the answer up
// to ReadyForQuery, pass it back. libpq never sends ahead, so no more is needed. Source of the
// message format: PostgreSQL manual, "Frontend/Backend Protocol".
#include "support/faulty_relay.hpp"
#include "support/process.hpp"
#include "support/servers.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace gateway::test {

namespace {

constexpr const char* socket_name = ".s.PGSQL.5432";

sockaddr_un address_of(const std::filesystem::path& directory)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory / socket_name).string().copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

// Appends exactly `bytes` bytes; false at the end of the connection.
bool read_into(std::string& out, int from, std::size_t bytes)
{
    std::array<char, 65'536> chunk;
    while (bytes > 0) {
        const ssize_t got = ::recv(from, chunk.data(), std::min(bytes, chunk.size()), 0);
        if (got <= 0)
            return false;
        out.append(chunk.data(), static_cast<std::size_t>(got));
        bytes -= static_cast<std::size_t>(got);
    }
    return true;
}

// Appends one message: its type unless it is the first of a client, its length, the rest.
// Returns the type, '?' of a client's first message, 0 at the end of the connection.
char read_message(std::string& out, int from, bool first)
{
    const std::size_t start = out.size();
    const std::size_t header = first ? 4 : 5;
    if (!read_into(out, from, header))
        return 0;
    std::uint32_t length = 0;
    for (std::size_t i = header - 4; i < header; ++i)
        length = length << 8U | static_cast<unsigned char>(out[start + i]);
    if (!read_into(out, from, length - 4))
        return 0;
    return first ? '?' : out[start];
}

bool send_all(int to, std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

void await_end(int client)
{
    std::string ignored;
    while (read_into(ignored, client, 1))
        ignored.clear();
}

} // namespace

struct faulty_relay::implementation {
    void accept_all();
    void serve(int client);
    bool exchange(int client, int server, const std::string& call);
    int connect_to_server();
    void remember(int descriptor);

    relay_plan plan;
    std::filesystem::path server;
    temporary_directory home;
    std::string url;
    int listener = -1;
    std::atomic<int> calls{0};
    std::mutex mutex;
    bool stopping = false;
    std::vector<int> open; // closed at the end, so that no number is shut down that is another's
    std::vector<std::thread> connections;
    std::thread acceptor;
};

void faulty_relay::implementation::remember(int descriptor)
{
    const std::lock_guard lock{mutex};
    open.push_back(descriptor);
    if (stopping)
        ::shutdown(descriptor, SHUT_RDWR);
}

void faulty_relay::implementation::accept_all()
{
    for (;;) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0)
            return;
        remember(client);
        connections.emplace_back([this, client] { serve(client); });
    }
}

int faulty_relay::implementation::connect_to_server()
{
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = address_of(server);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        std::perror("relay: connect");
        std::abort();
    }
    remember(descriptor);
    return descriptor;
}

void faulty_relay::implementation::serve(int client)
{
    const int backend = connect_to_server();
    bool first = true;
    for (bool going = true; going;) {
        std::string call;
        char type = 0;
        do {
            type = read_message(call, client, std::exchange(first, false));
        } while (type != 0 && type != 'X' && type != '?' && type != 'Q' && type != 'S');
        going = type != 0 && type != 'X' && exchange(client, backend, call);
    }
    ::shutdown(client, SHUT_RDWR);
    ::shutdown(backend, SHUT_RDWR);
}

// False when the connection is over.
bool faulty_relay::implementation::exchange(int client, int backend, const std::string& call)
{
    const int number = ++calls;
    const bool harmed = number == plan.at || (plan.forever && number > plan.at);
    const auto harm = harmed ? plan.what : relay_harm::none;
    if (harm == relay_harm::lose_call)
        return false;
    if (harm == relay_harm::hold_call) {
        await_end(client);
        return false;
    }
    std::string answer;
    char type = send_all(backend, call) ? '?' : 0;
    while (type != 0 && type != 'Z')
        type = read_message(answer, backend, false);
    if (harm == relay_harm::lose_answer)
        return false;
    if (harm == relay_harm::hold_answer) {
        await_end(client);
        return false;
    }
    if (harm == relay_harm::cut_answer)
        answer.resize(answer.size() / 2);
    return send_all(client, answer) && type == 'Z' && harm == relay_harm::none;
}

faulty_relay::faulty_relay(const std::string& url, const relay_plan& plan)
    : implementation_{std::make_unique<implementation>()}
{
    auto& i = *implementation_;
    i.plan = plan;
    i.server = socket_directory(url);
    i.url = url.substr(0, url.find("host=")) + "host=" + i.home.path().string();
    i.listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = address_of(i.home.path());
    if (::bind(i.listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(i.listener, 16) != 0) {
        std::perror("relay: bind");
        std::abort();
    }
    i.acceptor = std::thread{[&i] { i.accept_all(); }};
}

faulty_relay::~faulty_relay()
{
    auto& i = *implementation_;
    {
        const std::lock_guard lock{i.mutex};
        i.stopping = true;
        ::shutdown(i.listener, SHUT_RDWR);
        for (const int descriptor : i.open)
            ::shutdown(descriptor, SHUT_RDWR);
    }
    i.acceptor.join();
    for (auto& connection : i.connections)
        connection.join();
    for (const int descriptor : i.open)
        ::close(descriptor);
    ::close(i.listener);
}

const std::string& faulty_relay::url() const
{
    return implementation_->url;
}

int faulty_relay::calls() const
{
    return implementation_->calls;
}

} // namespace gateway::test
