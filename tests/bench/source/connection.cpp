#include "connection.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway::bench {
namespace {

int connected_socket(int port)
{
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        throw std::system_error{errno, std::generic_category(), "connect"};
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

// The value of a header's field, whose name is given in lower case; empty when there is none.
std::string_view field(std::string_view header, std::string_view name)
{
    for (auto at = header.find("\r\n"); at != std::string_view::npos;
         at = header.find("\r\n", at)) {
        at += 2;
        const auto line = header.substr(at, header.find("\r\n", at) - at);
        const bool is_it =
            line.size() > name.size() && line[name.size()] == ':' &&
            std::equal(name.begin(), name.end(), line.begin(), [](char want, char given) {
                return std::tolower(static_cast<unsigned char>(given)) == want;
            });
        if (!is_it)
            continue;
        const auto value = line.find_first_not_of(' ', name.size() + 1);
        return value == std::string_view::npos ? std::string_view{} : line.substr(value);
    }
    return {};
}

std::optional<std::size_t> number(std::string_view text)
{
    std::size_t n = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), n);
    return end.ec == std::errc{} ? std::optional{n} : std::nullopt;
}

} // namespace

tls_context make_client_context()
{
    tls_context context{::SSL_CTX_new(::TLS_client_method())};
    if (context == nullptr)
        throw std::runtime_error{"OpenSSL makes no context"};
    ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    ::SSL_CTX_set_read_ahead(context.get(), 1); // a system call a record, not two
    return context;
}

connection::connection(SSL_CTX* context, int port)
    : tls_(::SSL_new(context)), socket_(connected_socket(port))
{
    ::SSL_set_fd(tls_, socket_);
    if (::SSL_connect(tls_) != 1)
        throw std::runtime_error{"the server completes no TLS handshake"};
    ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
}

connection::~connection()
{
    ::SSL_free(tls_);
    ::close(socket_);
}

bool connection::write(std::string_view request)
{
    for (;;) {
        ::ERR_clear_error(); // or another connection's fault is taken for this one's
        const int sent = ::SSL_write(tls_, request.data(), static_cast<int>(request.size()));
        if (sent > 0)
            return true; // whole: partial writes are not switched on
        if (::SSL_get_error(tls_, sent) != SSL_ERROR_WANT_WRITE)
            return false;
        pollfd wait{socket_, POLLOUT, 0};
        ::poll(&wait, 1, -1);
    }
}

connection::reading connection::read()
{
    std::array<char, 4096> chunk;
    for (;;) {
        ::ERR_clear_error();
        const int got = ::SSL_read(tls_, chunk.data(), static_cast<int>(chunk.size()));
        if (got <= 0)
            return ::SSL_get_error(tls_, got) == SSL_ERROR_WANT_READ ? reading::more
                                                                     : reading::closed;
        received_.append(chunk.data(), static_cast<std::size_t>(got));
        const reading so_far = parse();
        if (so_far != reading::more)
            return so_far;
    }
}

connection::reading connection::parse()
{
    const auto end = received_.find("\r\n\r\n");
    if (end == std::string::npos)
        return reading::more;
    const auto header = std::string_view{received_}.substr(0, end);
    const auto length = number(field(header, "content-length"));
    const auto status = number(header.substr(std::min<std::size_t>(9, header.size()), 3));
    if (!length || !status)
        return reading::unreadable; // no contestant sends chunks
    if (received_.size() < end + 4 + *length)
        return reading::more;
    status_ = static_cast<int>(*status);
    closes_ = field(header, "connection") == "close";
    received_.erase(0, end + 4 + *length);
    return reading::answered;
}

} // namespace gateway::bench
