// One connection from accept to close: handshake, then requests one after the other, each with
// its answer before the next is looked at. Decides the phases, their deadlines and when the
// connection ends. All sessions of a listener run on its one thread.
#pragma once

#include "listener/chunked.hpp"
#include "listener/connection.hpp"
#include "listener/listener_state.hpp"
#include "listener/routing.hpp"

#include <boost/beast/core/flat_buffer.hpp>

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

struct answer;

class session {
public:
    session(std::shared_ptr<listener_state> all, loop_socket socket,
            const boost::asio::ip::address& peer);
    ~session();
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    // The whole life of the connection. Throws only what is a fault of ours (out of memory).
    task<void> run();

    // Ends what is under way if its phase's deadline lies before `now`. Called by the sweep.
    void expire(steady_time now);

    // Lets an idle connection go as soon as a drain allows.
    void hurry();

    // Closes the socket; run() ends soon after.
    void close();

private:
    enum class phase { handshake, idle, header, body, answer, write, linger };
    enum class input { more, gone, late };
    // How a step ended: carry on, answer this and close, or end without a word.
    enum class next { request, close_politely, close_silently };

    void enter(phase p);
    void adopt_newest();
    std::chrono::milliseconds limit_of(phase p) const;
    std::string_view unread() const;

    task<bool> meet_proxy();
    bool count_as(const boost::asio::ip::address& client);
    task<result<std::string>> read_proxy_header();
    task<bool> shake_hands();
    void find_client(const request_head& head);
    task<input> fill();
    task<result<std::size_t>> read_header();
    task<next> exchange();
    task<next> receive(request_head head, plan p);
    task<next> refuse_unread(request_head head, error why);
    task<result<bool>> read_body(body_framing framing, std::uint64_t length, std::string& body);
    task<result<bool>> read_chunks(std::string& body);
    task<result<receipt>> hand_over(const route& to, delivery d);
    bool start(const route& to, delivery d);

    task<next> refuse(error why);
    task<next> respond(answer a);
    task<bool> write(std::string_view bytes);

    // How much the buffer holds: a header, and of a body what came with it.
    std::size_t buffer_room() const { return limits().header_bytes_max + (8U << 10U); }
    const listener_limits& limits() const { return terms_->settings.limits; }

    std::shared_ptr<listener_state> all_;
    std::shared_ptr<const listener_terms> terms_; // of the request under way
    connection connection_;
    boost::asio::ip::address peer_;
    bool trusted_ = false; // a proxy: not counted, and believed on whose request it is
    std::optional<peer_key> counted_;
    boost::asio::ip::address client_; // of the request, as far as is known; for the log
    std::list<session*>::iterator place_;
    phase phase_ = phase::handshake;
    steady_time deadline_;
    steady_time began_;                // the request: its first byte was here
    boost::beast::flat_buffer buffer_; // what came behind header_
    std::string header_;               // of the request under way; request_head points into it
    std::string out_;                  // the answer's bytes; kept for its capacity
    std::shared_ptr<awaited_receipt> awaited_; // shared with a handler that may outlive us
    std::size_t requests_ = 0;
    int version_ = 11;
    bool close_ = false;
    bool head_only_ = false;
};

// Runs a session to its end; whatever it throws ends here.
task<void> serve(std::unique_ptr<session> s);

} // namespace gateway
