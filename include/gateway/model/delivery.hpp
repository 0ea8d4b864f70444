// A delivery before and after its signature was checked. The two types are what makes the steps
// impossible to skip: everything behind the verifier takes a verified_delivery.
#pragma once

#include "gateway/base/time.hpp"

#include <string>
#include <utility>
#include <vector>

namespace gateway {

// One POST as it arrived; nothing in it is trusted.
struct delivery {
    std::string endpoint;                // the configured endpoint's name, not its path
    std::string body;                    // the exact bytes, which are what was signed
    std::vector<std::string> signatures; // every value of the signature header, in order
    timestamp received_at{};             // when the gateway had the whole request
};

// A delivery whose signature was valid, with the id of the key that proved it. Only the verifier
// makes one, and the store from what it reads back from its own spool or quarantine.
class verified_delivery {
public:
    const std::string& endpoint() const { return endpoint_; }
    const std::string& body() const { return body_; }
    const std::string& key_id() const { return key_id_; }
    timestamp received_at() const { return received_at_; }

private:
    friend class verifier;
    friend class stored_delivery; // the store's reader

    verified_delivery(delivery d, std::string key_id)
        : endpoint_(std::move(d.endpoint)), body_(std::move(d.body)), key_id_(std::move(key_id)),
          received_at_(d.received_at)
    {
    }

    std::string endpoint_;
    std::string body_;
    std::string key_id_;
    timestamp received_at_;
};

} // namespace gateway
