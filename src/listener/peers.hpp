// Decides whose connection it is: networks in which proxies are trusted, and how many connections
// a peer holds. All addresses are IPv6 here, IPv4 ones mapped, so that a dual-stack socket and an
// IPv4 socket see one peer as one. No I/O.
#pragma once

#include "gateway/base/result.hpp"

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace gateway {

using peer_key = std::array<unsigned char, 16>;

struct network {
    peer_key address{};
    unsigned prefix = 128; // bits that have to agree

    bool contains(const boost::asio::ip::address& a) const;
};

// Whether one of `networks` contains `a`.
bool is_within(const std::vector<network>& networks, const boost::asio::ip::address& a);

// Reads "10.0.0.0/8", "192.0.2.1", "2001:db8::/32" or "::1". Fails with config_invalid.
result<network> parse_network(const std::string& text);

// One peer for the count: an IPv4 address, or an IPv6 /64, which is what one host gets.
peer_key peer_of(const boost::asio::ip::address& a);

class peer_counts {
public:
    std::size_t of(const peer_key& peer) const;
    void add(const peer_key& peer) { ++counts_[peer]; }
    void remove(const peer_key& peer);

private:
    std::map<peer_key, std::size_t> counts_; // no zeros: peers that left take no room
};

} // namespace gateway
