// Accepting, admitting, sweeping and draining. One thread runs all of it, so nothing is locked;
// the coroutines share the state and end by themselves when the listener was told to stop.
#include "gateway/listener/listener.hpp"
#include "gateway/base/log.hpp"
#include "gateway/listener/address.hpp"

#include "listener/answer.hpp"
#include "listener/metrics.hpp"
#include "listener/session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds sweep_interval{100};
constexpr std::chrono::milliseconds accept_pause{50}; // out of descriptors or memory
// Answers are small: a peer that does not read gets no more of the kernel's memory than this.
constexpr int send_buffer_bytes = 64 << 10;

bool is_shortage(const error_code& ec)
{
    return ec == asio::error::no_descriptors || ec == asio::error::no_buffer_space ||
           ec == asio::error::no_memory || ec == boost::system::errc::too_many_files_open_in_system;
}

// A descriptor held back for the day the process has no other: without one, the connection at the
// head of the backlog can be neither served nor refused, and accept() fails at once for ever.
class spare_descriptor {
public:
    spare_descriptor() : fd_(take()) {}
    ~spare_descriptor() { release(); }
    spare_descriptor(const spare_descriptor&) = delete;
    spare_descriptor& operator=(const spare_descriptor&) = delete;

    void release()
    {
        if (fd_ >= 0)
            ::close(fd_);
        fd_ = -1;
    }
    void renew()
    {
        if (fd_ < 0)
            fd_ = take();
    }

private:
    static int take() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

    int fd_;
};

std::string date_now()
{
    return http_date(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

} // namespace

result<asio::ip::tcp::acceptor> open_acceptor(asio::io_context& io, const std::string& address)
{
    BOOST_OUTCOME_TRY(const auto wanted, parse_listen_address(address));
    const asio::ip::tcp::endpoint endpoint{wanted.host, wanted.port};
    error_code ec;
    asio::ip::tcp::acceptor acceptor{io};
    acceptor.open(endpoint.protocol(), ec);
    if (!ec)
        acceptor.set_option(asio::socket_base::reuse_address{true}, ec);
    if (!ec) // accepted sockets inherit it
        acceptor.set_option(asio::socket_base::send_buffer_size{send_buffer_bytes}, ec);
    if (!ec)
        acceptor.bind(endpoint, ec);
    if (!ec)
        acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec)
        return fail(errc::network_failed, "cannot listen on " + address + ": " + ec.message());
    return acceptor;
}

result<asio::ip::tcp::acceptor> adopt_acceptor(asio::io_context& io, int descriptor)
{
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    int listening = 0;
    socklen_t listening_size = sizeof listening;
    const bool known =
        ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &size) == 0 &&
        ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_size) == 0;
    const bool internet = bound.ss_family == AF_INET || bound.ss_family == AF_INET6;
    if (!known || listening == 0 || !internet)
        return fail(errc::network_failed, "the socket that was handed over is not a TCP socket "
                                          "that listens: use one ListenStream=ADDRESS:PORT");
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    const auto protocol = bound.ss_family == AF_INET ? asio::ip::tcp::v4() : asio::ip::tcp::v6();
    asio::ip::tcp::acceptor acceptor{io};
    error_code ec;
    acceptor.assign(protocol, descriptor, ec);
    if (!ec)
        acceptor.set_option(asio::socket_base::send_buffer_size{send_buffer_bytes}, ec);
    if (ec)
        return fail(errc::network_failed, "cannot use the socket handed over: " + ec.message());
    return acceptor;
}

struct listener::implementation : std::enable_shared_from_this<implementation> {
    implementation(asio::ip::tcp::acceptor a, listener_settings settings)
        : acceptor(std::move(a)), pause(acceptor.get_executor()), tick(acceptor.get_executor()),
          loop(static_cast<asio::io_context&>(acceptor.get_executor().context()).get_executor()),
          all(std::make_shared<listener_state>(loop, std::move(settings)))
    {
    }

    asio::awaitable<void> accept_connections(std::shared_ptr<implementation> keep);
    asio::awaitable<void> sweep(std::shared_ptr<implementation> keep);
    void admit(loop_socket socket);
    bool make_room(const asio::ip::address& peer);
    bool evict_one();
    void refuse_waiting_one();
    void accept_backlog();
    void stop();
    void close_all();

    asio::ip::tcp::acceptor acceptor;
    asio::steady_timer pause;
    asio::steady_timer tick;
    spare_descriptor spare;
    loop_executor loop;
    // Shared with the sessions, which may outlive the listener.
    std::shared_ptr<listener_state> all;
};

asio::awaitable<void>
listener::implementation::accept_connections(std::shared_ptr<implementation> keep)
{
    while (acceptor.is_open()) {
        error_code ec;
        loop_socket socket{loop};
        co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
        if (!ec)
            admit(std::move(socket));
        if (!is_shortage(ec) || !acceptor.is_open())
            continue;
        write_log(severity::error, "accept_failed", "cannot accept connections: {error.message}",
                  {{"error.message", ec.message()}});
        evict_one();
        refuse_waiting_one();
        pause.expires_after(accept_pause);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
    keep.reset();
}

// Cancels what is late. One timer for all sessions instead of one for each operation.
asio::awaitable<void> listener::implementation::sweep(std::shared_ptr<implementation> keep)
{
    while (acceptor.is_open() || all->size() > 0) {
        all->date = date_now();
        error_code ignored;
        tick.expires_after(sweep_interval);
        co_await tick.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        const auto now = steady_clock::now();
        for (const auto* list : {&all->idle, &all->busy}) {
            for (session* s : *list)
                s->expire(now);
        }
    }
    keep.reset();
}

void listener::implementation::admit(loop_socket socket)
{
    error_code ec;
    const auto endpoint = socket.remote_endpoint(ec);
    if (ec || !make_room(endpoint.address()))
        return;
    auto s = std::make_unique<session>(all, std::move(socket), endpoint.address());
    auto serving = serve(std::move(s));
    asio::co_spawn(loop, std::move(serving), asio::detached);
}

// Whether `peer` may have one more connection; the longest idle one goes when there are too many.
bool listener::implementation::make_room(const asio::ip::address& peer)
{
    const auto now = steady_clock::now();
    const listener_limits& limits = all->newest->settings.limits;
    if (!all->newest->trusts(peer) && !all->has_room_for(peer))
        return false;
    if (all->size() >= limits.connections_max && !evict_one()) {
        count_connection_refused("connections");
        all->refusals.note("connections", "too many, and none is idle", peer, now);
        return false;
    }
    return true;
}

bool listener::implementation::evict_one()
{
    if (all->idle.empty())
        return false;
    all->idle.front()->close();
    return true;
}

// Takes the connection at the head of the backlog with the spare descriptor, to close it.
void listener::implementation::refuse_waiting_one()
{
    spare.release();
    error_code ec;
    acceptor.non_blocking(true, ec);
    if (!ec) {
        loop_socket refused{loop};
        acceptor.accept(refused, ec);
    }
    spare.renew();
}

// Connections that the kernel has completed belong to clients that were promised service.
void listener::implementation::accept_backlog()
{
    error_code ec;
    acceptor.non_blocking(true, ec);
    while (!ec) {
        loop_socket socket{loop};
        acceptor.accept(socket, ec);
        if (!ec)
            admit(std::move(socket));
    }
}

void listener::implementation::stop()
{
    all->draining = true;
    if (!all->stopped_at) {
        accept_backlog();
        all->stopped_at = steady_clock::now();
    }
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    for (session* s : all->idle)
        s->hurry();
}

void listener::implementation::close_all()
{
    while (evict_one()) {
    }
    for (session* s : all->busy)
        s->close();
}

listener::listener(asio::ip::tcp::acceptor acceptor, listener_settings settings)
    : implementation_(std::make_shared<implementation>(std::move(acceptor), std::move(settings)))
{
}

listener::~listener()
{
    implementation_->stop();
    implementation_->close_all();
    implementation_->tick.cancel();
}

void listener::start()
{
    implementation& i = *implementation_;
    auto accepting = i.accept_connections(implementation_);
    asio::co_spawn(i.acceptor.get_executor(), std::move(accepting), asio::detached);
    auto sweeping = i.sweep(implementation_);
    asio::co_spawn(i.acceptor.get_executor(), std::move(sweeping), asio::detached);
}

void listener::replace_tls(tls_context tls)
{
    listener_settings next = implementation_->all->newest->settings;
    next.tls = std::move(tls);
    replace(std::move(next));
}

void listener::replace(listener_settings settings)
{
    implementation_->all->newest = std::make_shared<const listener_terms>(std::move(settings));
}

void listener::announce_drain()
{
    implementation_->all->draining = true;
}

asio::awaitable<void> listener::drain(std::chrono::steady_clock::time_point deadline)
{
    const auto keep = implementation_;
    listener_state& all = *keep->all;
    keep->stop();
    error_code ignored;
    all.emptied.expires_at(deadline);
    if (all.size() > 0)
        co_await all.emptied.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    keep->close_all();
    all.emptied.expires_at(steady_time::max());
    if (all.size() > 0)
        co_await all.emptied.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

std::size_t listener::connections() const
{
    return implementation_->all->size();
}

} // namespace gateway
