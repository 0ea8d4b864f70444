// One keep-alive TLS connection of the load source, a request at a time. OpenSSL works on the
// socket itself: the source shall cost as little as one can.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace gateway::bench {

class connection {
public:
    connection(SSL_CTX* context, int port);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    int socket() const { return socket_; }

    // Writes all of it. False when the connection is gone.
    bool write(std::string_view request);

    enum class reading { more, answered, closed, unreadable };
    // What is there: `answered` once the answer is whole.
    reading read();
    // Of the last answer.
    int status() const { return status_; }
    bool closes() const { return closes_; }

private:
    reading parse();

    SSL* tls_;
    int socket_;
    std::string received_;
    int status_ = 0;
    bool closes_ = false;
};

struct context_deleter {
    void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
};
using tls_context = std::unique_ptr<SSL_CTX, context_deleter>;

// Believes any certificate: it measures, on this host.
tls_context make_client_context();

} // namespace gateway::bench
