// The requests of a run, made and signed before it begins, so that the load source only writes
// bytes: the same events, in the form that Attentive documents, for the gateway and all
// contestants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gateway::bench {

enum class load_kind {
    new_subscribers,   // no two events are of one subscriber
    known_subscribers, // 2 000 people, over and over
    burst              // one campaign of one company, sent to one subscriber after another
};

struct request_settings {
    load_kind kind = load_kind::new_subscribers;
    std::size_t count = 0;
    std::uint64_t seed = 1;
    std::string target = "/webhooks/attentive";
    std::string signing_key{};
};

// All of the requests in one piece of memory, one after another. No two bodies are equal, also not
// those of different seeds.
class prepared_requests {
public:
    explicit prepared_requests(const request_settings& settings);

    std::size_t size() const { return ends_.size(); }
    std::string_view operator[](std::size_t n) const
    {
        const std::size_t begin = n == 0 ? 0 : ends_[n - 1];
        return std::string_view{bytes_}.substr(begin, ends_[n] - begin);
    }

private:
    std::string bytes_;
    std::vector<std::size_t> ends_;
};

} // namespace gateway::bench
