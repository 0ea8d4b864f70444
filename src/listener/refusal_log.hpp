// Says in the log why senders are refused, without letting them fill the disk: one line for each
// reason every ten seconds, with the number left out since. Of what a sender wrote only a path
// that nobody serves and a type that nobody knows, both made harmless by shown().
#pragma once

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace gateway {

class refusal_log {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::seconds window{10};

    // `reason` is one of a fixed set of names; `words` is text of ours, or what shown() made. One
    // thread.
    void note(std::string_view reason, std::string_view words, const boost::asio::ip::address& peer,
              time_point now);

private:
    struct record {
        time_point last{};
        std::uint64_t left_out = 0;
        bool written = false;
    };
    std::map<std::string, record, std::less<>> records_;
};

} // namespace gateway
