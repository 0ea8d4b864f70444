// Follows the log as it grows, whoever applies it: each event once, in the order of positions.
// Reads schema report only, without anything personal.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/base/time.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace gateway {

struct tail_settings {
    std::string database_url;
    std::string company; // company_id; empty: all
    std::string type;    // event_name, or Attentive's own type; empty: all
};

struct tailed_event {
    std::string received_at; // "2026-11-21T10:00:00.000Z"
    std::string company_id;
    std::string event_name;
    std::string subscriber_id; // empty: nobody
    std::string detail;        // name of message, creative or attribute, or a link's host
    std::string json;          // all of it as one JSON object
};

// One thread. Begin with one of from_last() and from(); then call next() now and then. A call that
// fails with database_unavailable has changed nothing and may be repeated: it connects again. Other
// failures (database_failed) repeat themselves.
class event_tail {
public:
    explicit event_tail(tail_settings settings);
    ~event_tail();
    event_tail(const event_tail&) = delete;
    event_tail& operator=(const event_tail&) = delete;

    // The newest `events` of those that match, oldest first, as far as they are among the newest
    // 200,000 of the log.
    result<std::vector<tailed_event>> from_last(std::size_t events);

    // Makes next() begin with what was applied at `start` or later.
    result<void> from(timestamp start);

    // What was applied since the last call, up to some thousands of events; empty when none of it
    // matches.
    result<std::vector<tailed_event>> next();

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
