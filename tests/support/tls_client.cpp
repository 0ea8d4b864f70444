// Plain system calls and OpenSSL: nothing between the test's bytes and the wire.
#include "support/tls_client.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <stdexcept>

namespace gateway::test {
namespace {

void set_timeout(int fd, std::chrono::milliseconds time)
{
    timeval tv{};
    tv.tv_sec = static_cast<time_t>(time.count() / 1000);
    tv.tv_usec = static_cast<suseconds_t>(time.count() % 1000) * 1000;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

sockaddr_in address_of(const std::string& host, std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    return address;
}

int open_socket(const client_options& options)
{
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        throw std::runtime_error{"socket: " + std::string{std::strerror(errno)}};
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options.receive_buffer > 0)
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof(int));
    const sockaddr_in from = address_of(options.source, 0);
    ::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from);
    const sockaddr_in to = address_of("127.0.0.1", options.port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        const std::string why = std::strerror(errno);
        ::close(fd);
        throw std::runtime_error{"connect: " + why};
    }
    set_timeout(fd, options.timeout); // for reading and writing: a connection may take its time
    return fd;
}

// OpenSSL writes with write(2). The signal is this thread's own: the server's threads keep the
// default, so that a test fails if the server depended on it.
void block_broken_pipe_signal()
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

SSL_CTX* make_context(const client_options& options)
{
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, options.tls_version_max);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    if (!options.tls_ciphers.empty())
        SSL_CTX_set_cipher_list(context, options.tls_ciphers.c_str());
    if (options.tls_version_max == TLS1_1_VERSION)
        SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    if (!options.alpn.empty()) {
        const std::string wire = static_cast<char>(options.alpn.size()) + options.alpn;
        SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size()));
    }
    return context;
}

} // namespace

struct tls_client::implementation {
    explicit implementation(const client_options& o) : options(o), fd(open_socket(o)) {}
    implementation(const implementation&) = delete;
    implementation& operator=(const implementation&) = delete;
    ~implementation()
    {
        SSL_free(ssl);
        SSL_CTX_free(context);
        ::close(fd);
    }

    void shake_hands(SSL_SESSION* earlier)
    {
        block_broken_pipe_signal();
        if (!options.tls)
            return;
        ERR_clear_error();
        context = make_context(options);
        ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        if (earlier != nullptr)
            SSL_set_session(ssl, earlier);
        if (SSL_connect(ssl) != 1) {
            char why[256] = "connection ended";
            if (const unsigned long code = ERR_get_error(); code != 0)
                ERR_error_string_n(code, why, sizeof why);
            throw std::runtime_error{std::string{"TLS: "} + why};
        }
    }

    // Bytes read, 0 at the end, -1 after a time-out or a reset.
    int read(char* into, int size)
    {
        if (ssl == nullptr)
            return static_cast<int>(::recv(fd, into, static_cast<std::size_t>(size), 0));
        ERR_clear_error();
        const int n = SSL_read(ssl, into, size);
        if (n > 0)
            return n;
        const int why = SSL_get_error(ssl, n);
        timed_out = why == SSL_ERROR_SYSCALL && (errno == EAGAIN || errno == EWOULDBLOCK);
        return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    }

    bool fill()
    {
        char part[16384];
        timed_out = false;
        const int n = read(part, sizeof part);
        if (ssl == nullptr && n < 0)
            timed_out = errno == EAGAIN || errno == EWOULDBLOCK;
        if (n > 0)
            unread.append(part, static_cast<std::size_t>(n));
        return n > 0;
    }

    client_options options;
    int fd;
    SSL_CTX* context = nullptr;
    SSL* ssl = nullptr;
    std::string unread;
    bool timed_out = false;
};

tls_client::tls_client(const client_options& options)
    : implementation_(std::make_unique<implementation>(options))
{
    implementation_->shake_hands(nullptr);
}

tls_client::tls_client(const client_options& options, tls_client& earlier)
    : implementation_(std::make_unique<implementation>(options))
{
    SSL_SESSION* const session = SSL_get1_session(earlier.implementation_->ssl);
    implementation_->shake_hands(session);
    SSL_SESSION_free(session);
}

tls_client::tls_client(tls_client&&) noexcept = default;
tls_client& tls_client::operator=(tls_client&&) noexcept = default;
tls_client::~tls_client() = default;

bool tls_client::send(std::string_view bytes)
{
    implementation& i = *implementation_;
    while (!bytes.empty()) {
        ERR_clear_error();
        const int size = static_cast<int>(bytes.size());
        const auto n = i.ssl != nullptr ? SSL_write(i.ssl, bytes.data(), size)
                                        : ::send(i.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::optional<reply> tls_client::read_head()
{
    std::string& unread = implementation_->unread;
    while (unread.find("\r\n\r\n") == std::string::npos) {
        if (!implementation_->fill())
            return std::nullopt;
    }
    std::string head = unread.substr(0, unread.find("\r\n\r\n") + 2);
    unread.erase(0, head.size() + 2);
    if (head.rfind("HTTP/1.1 ", 0) != 0 || head.size() < 14)
        return std::nullopt;
    reply r;
    r.status = std::stoi(head.substr(9, 3));
    head.erase(0, head.find("\r\n") + 2);
    while (!head.empty()) {
        const std::string line = head.substr(0, head.find("\r\n"));
        head.erase(0, line.size() + 2);
        std::string name = line.substr(0, line.find(':'));
        for (char& c : name)
            c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        r.fields[name] = line.substr(std::min(line.size(), line.find(": ") + 2));
    }
    return r;
}

std::optional<reply> tls_client::read_reply()
{
    std::optional<reply> r = read_head();
    if (!r || r->fields.count("content-length") == 0)
        return r;
    const std::size_t size = std::stoul(r->fields["content-length"]);
    std::string& unread = implementation_->unread;
    while (unread.size() < size) {
        if (!implementation_->fill())
            return std::nullopt;
    }
    r->body = unread.substr(0, size);
    unread.erase(0, size);
    return r;
}

std::string tls_client::read_all()
{
    while (implementation_->fill()) {
    }
    return std::move(implementation_->unread);
}

bool tls_client::ends_within(std::chrono::milliseconds time)
{
    set_timeout(implementation_->fd, time);
    while (implementation_->fill()) {
    }
    const bool ended = !implementation_->timed_out;
    set_timeout(implementation_->fd, implementation_->options.timeout);
    return ended;
}

void tls_client::half_close()
{
    if (implementation_->ssl != nullptr)
        SSL_shutdown(implementation_->ssl);
    truncate();
}

void tls_client::truncate()
{
    ::shutdown(implementation_->fd, SHUT_WR);
}

bool tls_client::resumed() const
{
    return SSL_session_reused(implementation_->ssl) == 1;
}

std::string tls_client::tls_version() const
{
    return SSL_get_version(implementation_->ssl);
}

std::string tls_client::tls_cipher() const
{
    return SSL_get_cipher_name(implementation_->ssl);
}

std::string tls_client::chosen_alpn() const
{
    const unsigned char* data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(implementation_->ssl, &data, &size);
    return {reinterpret_cast<const char*>(data), size};
}

} // namespace gateway::test
