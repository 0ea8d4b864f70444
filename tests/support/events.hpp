// Events and deliveries for tests of the store, as if verifier and normalizer had made them, and
// submitting them with the answers collected.
#pragma once

#include "gateway/model/delivery.hpp"
#include "gateway/model/source_event.hpp"
#include "gateway/store/writer.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gateway::test {

struct given_event {
    verified_delivery delivery;
    normalized what;
};

// The normalizer of these tests: as_given() finds what give() was told, by the delivery's body.
void give(const given_event& e);
normalized as_given(const verified_delivery& d);

// The same, and what the gateway makes of it where nothing was given; clicks by their number.
normalized as_known(const verified_delivery& d);

verified_delivery delivery_of(const std::string& body, const std::string& endpoint = "attentive");

// An SMS click like a real one, told from others by `number`; the body has `body_bytes` or more.
given_event click(int number, std::size_t body_bytes = 500);

// The click that `d` is of, however often it is asked.
normalized as_click(const verified_delivery& d);

// A click whose text PostgreSQL refuses.
given_event poison(int number);

// A refused delivery.
given_event refused(const std::string& body);

// Collects answers by the order of submission. Any thread.
class answers {
public:
    void submit(writer& w, given_event e);

    // All answers, when they have come within `limit`; otherwise throws.
    std::vector<result<receipt>> all(std::chrono::milliseconds limit = std::chrono::seconds{20});

    // How many answers say `what`, after waiting for all.
    std::size_t count(disposition what);
    // How many are errors.
    std::size_t failed();

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::optional<result<receipt>>> received_;
    std::size_t missing_ = 0;
};

// A writer's settings with what a test wants small.
writer_settings settings_for(const std::string& url, std::size_t threads = 1);

// Waits for the writer's first connection; throws when it does not come.
void await_available(const writer& w);

} // namespace gateway::test
