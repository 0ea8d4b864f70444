// Address arithmetic on 16 bytes, whatever the family.
#include "listener/peers.hpp"

#include "gateway/listener/limits.hpp"

#include <algorithm>
#include <charconv>

namespace gateway {
namespace {

namespace ip = boost::asio::ip;

constexpr unsigned mapped_bits = 96; // ::ffff:0:0/96 holds the IPv4 addresses

peer_key bytes_of(const ip::address& a)
{
    const ip::address_v6 v6 = a.is_v4() ? ip::make_address_v6(ip::v4_mapped, a.to_v4()) : a.to_v6();
    return v6.to_bytes();
}

bool agree(const peer_key& a, const peer_key& b, unsigned bits)
{
    const std::size_t whole = bits / 8;
    for (std::size_t i = 0; i < whole; ++i) {
        if (a[i] != b[i])
            return false;
    }
    const unsigned rest = bits % 8;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8U - rest)) == 0;
}

} // namespace

bool network::contains(const ip::address& a) const
{
    return agree(address, bytes_of(a), prefix);
}

bool is_within(const std::vector<network>& networks, const ip::address& a)
{
    return std::any_of(networks.begin(), networks.end(),
                       [&a](const network& n) { return n.contains(a); });
}

result<network> parse_network(const std::string& text)
{
    const auto refused = [&text] {
        return fail(errc::config_invalid,
                    "\"" + text + "\" is no address or network such as 10.0.0.0/8 or ::1");
    };
    const std::size_t slash = text.find('/');
    boost::system::error_code ec;
    const ip::address address = ip::make_address(text.substr(0, slash), ec);
    if (ec)
        return refused();
    const unsigned bits = address.is_v4() ? 32 : 128;
    unsigned prefix = bits;
    if (slash != std::string::npos) {
        const char* const end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data() + slash + 1, end, prefix);
        if (parsed.ec != std::errc{} || parsed.ptr != end || prefix > bits)
            return refused();
    }
    return network{bytes_of(address), address.is_v4() ? prefix + mapped_bits : prefix};
}

result<void> check_trusted_proxy(const std::string& text)
{
    BOOST_OUTCOME_TRY(parse_network(text));
    return ok();
}

peer_key peer_of(const ip::address& a)
{
    peer_key key = bytes_of(a);
    const bool mapped = a.is_v4() || a.to_v6().is_v4_mapped();
    for (std::size_t i = mapped ? key.size() : 8; i < key.size(); ++i)
        key[i] = 0;
    return key;
}

std::size_t peer_counts::of(const peer_key& peer) const
{
    const auto found = counts_.find(peer);
    return found == counts_.end() ? 0 : found->second;
}

void peer_counts::remove(const peer_key& peer)
{
    const auto found = counts_.find(peer);
    if (found != counts_.end() && --found->second == 0)
        counts_.erase(found);
}

} // namespace gateway
