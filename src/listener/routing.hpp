// Decides from a request's head alone what will be done with it: a delivery to read, the health
// of this process to tell, or a refusal before a byte of the body is read. No I/O.
#pragma once

#include "framing.hpp"

#include "gateway/listener/listener.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// A delivery to read when `to` is set, otherwise a question for health.
struct plan {
    const route* to = nullptr;
    std::vector<std::string> signatures; // taken from the header, so that no trailer ever counts
};

// Fails with target_unknown, method_not_allowed, length_required, body_too_large (by its
// announced length) or media_type_unsupported. A request without Content-Type is taken: the
// documentation does not promise one, and the signature decides.
result<plan> plan_request(const request_head& head, const std::vector<route>& routes,
                          std::size_t body_bytes_max);

// What the Allow field of a 405 says for the target of `head`: "POST".
std::string_view allowed_methods(const request_head& head, const std::vector<route>& routes);

} // namespace gateway
