// The store's reader: the one place beside the verifier that may make a verified_delivery, because
// what lies in our own spool or quarantine was verified before it was written. Whoever calls this
// vouches for where the bytes come from.
#pragma once

#include "gateway/model/delivery.hpp"

#include <string>
#include <utility>

namespace gateway {

class stored_delivery {
public:
    // `d` as it was when the key called `key_id` proved it. Its signatures are not kept.
    static verified_delivery rebuild(delivery d, std::string key_id)
    {
        return verified_delivery{std::move(d), std::move(key_id)};
    }
};

} // namespace gateway
