// Decides from a request's head alone what will be done with it: a delivery to read, the health
// of this process to tell, or a refusal before a byte of the body is read. No I/O.
#pragma once

#include "listener/framing.hpp"

#include "gateway/listener/settings.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// A delivery to read when `to` is set, otherwise a question for health.
struct plan {
    const route* to = nullptr;
    std::vector<std::string> signatures; // taken from the header, so that no trailer ever counts
};

// Fails with target_unknown, method_not_allowed, length_required, body_too_large (by its announced
// length), media_type_unsupported (by its Content-Encoding) or framing_invalid (by what it
// expects). No Content-Type is asked for: the documentation promises none, proxies change it, and
// the signature says whose the bytes are.
result<plan> plan_request(const request_head& head, const std::vector<route>& routes,
                          std::size_t body_bytes_max);

// The status that goes with a failure `why` of plan_request: that of the code, or 501 for a method
// that is none of HTTP's, or 417 for another expectation than 100-continue.
int status_of(const request_head& head, errc why);

// Whether a signature of the right form stands in the field that a route takes its signature from.
bool seems_signed(const request_head& head, const std::vector<route>& routes);

// What the Allow field of a 405 says for the target of `head`: "POST".
std::string_view allowed_methods(const request_head& head, const std::vector<route>& routes);

// The path of `head` for the log, as shown() makes it. Never its query, which may hold secrets.
std::string shown_path(const request_head& head);

} // namespace gateway
