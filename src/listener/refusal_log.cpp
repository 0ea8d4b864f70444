// The first of a kind is written at once: an operator who tries out a signature sees the reason.
#include "refusal_log.hpp"

#include <spdlog/spdlog.h>

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
    spdlog::warn("refused: {}{}{}, peer {}, {} more since the last such line", reason,
                 words.empty() ? "" : ": ", words, peer.to_string(), r.left_out);
    r = {now, 0, true};
}

} // namespace gateway
