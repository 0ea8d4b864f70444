// The first of a kind is written at once: an operator who tries out a signature sees the reason.
#include "listener/refusal_log.hpp"

#include "gateway/base/log.hpp"

namespace gateway {

void refusal_log::note(std::string_view reason, std::string_view words,
                       const boost::asio::ip::address& peer, time_point now)
{
    auto found = records_.find(reason);
    if (found == records_.end())
        found = records_.emplace(std::string{reason}, record{}).first;
    record& r = found->second;
    if (r.written && now - r.last < window) {
        ++r.left_out;
        return;
    }
    write_log(severity::warn, "request_refused",
              words.empty() ? "refused: {error.type}, peer {client.address}"
                            : "refused: {error.type}: {error.message}, peer {client.address}",
              {{"error.type", reason},
               {"error.message", words},
               {"client.address", peer.to_string()},
               held_back_field(r.left_out)});
    r = {now, 0, true};
}

} // namespace gateway
