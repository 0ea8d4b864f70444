// The requests of one run, ready for the wire: which body is number n, its signature, and what
// the journal says of it. Equal settings give equal bytes, so that a run can be repeated.
#pragma once

#include "client/sender_journal.hpp"
#include "gateway/base/digest.hpp"
#include "gateway/client/sender.hpp"

#include <string>
#include <vector>

namespace gateway {

struct outgoing {
    std::string bytes;    // header and body, in one piece for one TLS record
    std::string event_id; // of what the body maps to; empty for none, and without a journal
    std::string sha256;   // of the body, hex; empty without a journal
};

// One thread.
class body_stream {
public:
    // `authority` and `target` go into the request line and Host. Fails with config_invalid for a
    // type that Attentive does not have.
    static result<body_stream> make(const send_request& request, const std::string& authority,
                                    const std::string& target);

    // Request `n`: one that was signed once and for all, or `scratch`, filled.
    const outgoing& at(std::uint64_t n, outgoing& scratch) const;

private:
    body_stream(const send_request& request, std::string head);

    void fill(outgoing& out, std::string_view body) const;

    hmac_sha256 mac_;
    std::string head_;
    std::vector<std::string> types_;
    std::uint64_t seed_;
    bool journaled_;
    std::vector<outgoing> prepared_; // empty when each request has a body of its own
};

} // namespace gateway
