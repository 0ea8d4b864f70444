// What a sender would say of our certificates, asked beforehand: whether each of the chain vouches
// for the one before it, and whether handshakes come about.
#pragma once

#include "gateway/listener/tls.hpp"

#include <string>
#include <vector>

namespace gateway {

struct chain_finding {
    bool refused; // by senders: no handshake. Else some senders, or later
    std::string what;
    std::string remedy;
};

// What is wrong with the chain of `tls` at this time; nothing when all is well. The authority at
// its end may stand in the file, be one that this host trusts, or be the issuer of an intermediate:
// which of them senders trust cannot be known here. Source: RFC 8446, 4.4.2; RFC 5280, 6.1. Any
// thread.
std::vector<chain_finding> examine_chain(const tls_context& tls);

enum class tls_version { tls_1_2, tls_1_3 };

// One handshake with what the listener serves, in memory, by a client that takes any certificate.
// Fails with network_failed and OpenSSL's reason. Any thread.
result<void> try_handshake(const tls_context& tls, tls_version version);

} // namespace gateway
