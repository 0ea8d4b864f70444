// A raw, blocking HTTP client for tests: sends exactly the bytes it is given, over TLS or plain
// TCP to 127.0.0.1, and shows what comes back, so that a test can send what no HTTP library would.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gateway::test {

struct reply {
    int status = 0;
    std::map<std::string, std::string> fields; // names in lower case
    std::string body;
};

struct client_options {
    std::uint16_t port = 0;
    bool tls = true;
    std::chrono::milliseconds timeout{5'000}; // of each send and each read
    int tls_version_max = 0;                  // TLS1_1_VERSION, …; 0: the newest
    std::string alpn;                         // one protocol to offer, such as "http/1.1"
    int receive_buffer = 0;                   // bytes; 0: the system's
    std::string source = "127.0.0.1";         // any 127.x.y.z is another peer
    std::string tls_ciphers;                  // TLS 1.2 cipher list to offer
};

// Every failure to connect or shake hands throws std::runtime_error, with the reason.
class tls_client {
public:
    explicit tls_client(const client_options& options);
    // Offers the session of `earlier` again.
    tls_client(const client_options& options, tls_client& earlier);
    tls_client(tls_client&&) noexcept;
    tls_client& operator=(tls_client&&) noexcept;
    ~tls_client();

    // False when the peer is gone or does not read.
    bool send(std::string_view bytes);

    // The next whole answer to a request with a body; nullopt at the end of the connection, a
    // time-out, or when it is no HTTP. 1xx answers are returned like others.
    std::optional<reply> read_reply();
    // The header of the next answer only, as to HEAD.
    std::optional<reply> read_head();

    // All that comes until the connection ends or nothing came for `timeout`.
    std::string read_all();

    // Whether the peer ends the connection within `time`. Throws away what comes before.
    bool ends_within(std::chrono::milliseconds time);

    // No more will be sent: close_notify and FIN, or only FIN, which cuts TLS off.
    void half_close();
    void truncate();

    bool resumed() const;
    std::string tls_version() const; // "TLSv1.3"
    std::string tls_cipher() const;
    std::string chosen_alpn() const;

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway::test
