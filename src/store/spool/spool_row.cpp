#include "store/spool/spool_row.hpp"

namespace gateway {
namespace {

void put_number(std::string& out, std::int64_t value)
{
    for (unsigned shift = 64; shift != 0; shift -= 8)
        out += static_cast<char>(static_cast<std::uint64_t>(value) >> (shift - 8U) & 0xFFU);
}

} // namespace

digest256 row_checksum(std::int64_t seq, const verified_delivery& d)
{
    std::string bytes{"attentive-gateway spool row 1"};
    bytes.reserve(bytes.size() + 40 + d.endpoint().size() + d.key_id().size() + d.body().size());
    put_number(bytes, seq);
    put_number(bytes, d.received_at().time_since_epoch().count());
    for (const std::string* text : {&d.endpoint(), &d.key_id(), &d.body()})
        put_number(bytes, static_cast<std::int64_t>(text->size()));
    bytes.append(d.endpoint()).append(d.key_id()).append(d.body());
    return sha256(bytes);
}

digest256 mark_checksum(std::int64_t removed_to)
{
    std::string bytes{"attentive-gateway spool mark 1"};
    put_number(bytes, removed_to);
    return sha256(bytes);
}

} // namespace gateway
