// The one error vocabulary of the gateway, and the type that carries it.
// Expected failures travel as result<T>; dropping one does not compile, reading the wrong side
// aborts. Exceptions stay inside the file that calls a throwing library.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/try.hpp>

#include <string>
#include <string_view>

namespace gateway {

enum class errc {
    // The signature of a delivery
    signature_missing,
    signature_repeated,
    signature_malformed,
    signature_mismatch,
    // HTTP
    framing_invalid,
    target_unknown,
    method_not_allowed,
    request_timeout,
    length_required,
    body_too_large,
    media_type_unsupported,
    header_too_large,
    // Durability
    overloaded,
    database_unavailable,
    database_failed,
    schema_mismatch,
    spool_full,
    spool_failed,
    // Start-up, files, network
    config_invalid,
    secret_invalid,
    io_failed,
    network_failed,
    process_failed,
};

// The stable name of a code, as answers and logs show it: "signature_missing".
std::string_view name(errc code);

struct error {
    errc code;
    // What happened and what to do, in plain words. Never a body, an identifier or a secret.
    std::string detail;
};

template <class T, class E = error>
using result = boost::outcome_v2::basic_result<T, E, boost::outcome_v2::policy::terminate>;

// Success of a result<void>.
inline auto ok()
{
    return boost::outcome_v2::success();
}

inline error fail(errc code, std::string detail = {})
{
    return error{code, std::move(detail)};
}

} // namespace gateway
