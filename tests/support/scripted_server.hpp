// A real HTTPS (or HTTP) server that does with each request what the test says: answer, cut the
// connection, or stay silent. It remembers what arrived, so that a test sees the client from the
// other end of the wire.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gateway {

struct scripted_answer {
    enum class what {
        reply,
        reply_and_close,   // and say so: Connection: close
        reply_and_hang_up, // without a word
        cut,
        never
    } act = what::reply;
    int status = 200;
    std::string body = R"({"status":"accepted"})";
    int delay_ms = 0;          // before the answer
    std::string retry_after{}; // header field, when not empty
};

struct seen_request {
    std::size_t connection; // 0 is the first that was accepted
    std::string target;
    std::string host;
    std::string content_type;
    std::string signature;
    std::string body;
    std::string method;
    std::string authorization;
};

// Serves from construction to destruction, on a thread of its own.
class scripted_server {
public:
    // Called with the request and its number, from 0, on the server's thread.
    using script = std::function<scripted_answer(std::size_t, const seen_request&)>;

    explicit scripted_server(script answer, bool tls = true);
    ~scripted_server();
    scripted_server(const scripted_server&) = delete;
    scripted_server& operator=(const scripted_server&) = delete;

    unsigned short port() const;
    std::string url(const std::string& path = "/webhooks/attentive") const; // by name "localhost"
    const std::string& certificate_file() const; // PEM, what a client has to trust

    std::vector<seen_request> requests() const;
    std::size_t connections() const; // accepted so far
    std::size_t resumed() const;     // TLS handshakes that resumed a session
    std::size_t goodbyes() const;    // connections that ended with close_notify

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
