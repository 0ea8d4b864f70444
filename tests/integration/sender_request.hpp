// What the sender's tests have in common: a server that stores everything, and a request to it.
#pragma once

#include "gateway/client/sender.hpp"
#include "support/scripted_server.hpp"

namespace gateway::test {

inline const std::string key = "a-signing-key-of-the-test";

inline scripted_answer always_stored(std::size_t, const seen_request&)
{
    return {};
}

inline send_request request_to(const scripted_server& server, std::uint64_t count)
{
    send_request r;
    r.url = server.url();
    r.signing_key = key;
    r.types = {"sms.sent"};
    r.count = count;
    r.ca_file = server.certificate_file();
    return r;
}

} // namespace gateway::test
