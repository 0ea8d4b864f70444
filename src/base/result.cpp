#include "gateway/base/result.hpp"

namespace gateway {

std::string_view name(errc code)
{
    switch (code) {
    case errc::signature_missing: return "signature_missing";
    case errc::signature_repeated: return "signature_repeated";
    case errc::signature_malformed: return "signature_malformed";
    case errc::signature_mismatch: return "signature_mismatch";
    case errc::framing_invalid: return "framing_invalid";
    case errc::target_unknown: return "target_unknown";
    case errc::method_not_allowed: return "method_not_allowed";
    case errc::request_timeout: return "request_timeout";
    case errc::length_required: return "length_required";
    case errc::body_too_large: return "body_too_large";
    case errc::media_type_unsupported: return "media_type_unsupported";
    case errc::header_too_large: return "header_too_large";
    case errc::overloaded: return "overloaded";
    case errc::database_unavailable: return "database_unavailable";
    case errc::database_failed: return "database_failed";
    case errc::schema_mismatch: return "schema_mismatch";
    case errc::spool_full: return "spool_full";
    case errc::spool_failed: return "spool_failed";
    case errc::config_invalid: return "config_invalid";
    case errc::secret_invalid: return "secret_invalid";
    case errc::io_failed: return "io_failed";
    case errc::network_failed: return "network_failed";
    case errc::process_failed: return "process_failed";
    }
    return "unknown";
}

} // namespace gateway
