#include "app/config/checks.hpp"

#include "gateway/base/text.hpp"
#include "gateway/listener/address.hpp"
#include "gateway/listener/limits.hpp"
#include "gateway/store/connection_string.hpp"

#include <algorithm>

namespace gateway {
namespace {

std::optional<std::string> check_address(const std::string& text)
{
    if (text.empty())
        return "is empty";
    if (!parse_listen_address(text))
        return "\"" + text + "\" is not an address with a port";
    return std::nullopt;
}

std::optional<std::string> check_network(const std::string& text)
{
    const auto checked = check_trusted_proxy(text);
    return checked.has_error() ? std::optional{checked.error().detail} : std::nullopt;
}

// Source: PostgreSQL manual, "Connection Strings".
std::optional<std::string> check_database_url(const std::string& url)
{
    constexpr std::string_view remedy =
        "; take it out of the url and set password = { file = \"…\" }, { credential = \"…\" } or "
        "{ environment = \"…\" } in [database], or use passfile= or a service file";
    if (url.empty())
        return "is empty";
    const auto scheme = url.find("://");
    const bool is_uri = url.rfind("postgresql://", 0) == 0 || url.rfind("postgres://", 0) == 0;
    if (!is_uri && scheme < url.find('='))
        return "not a PostgreSQL url";
    if (!is_uri && url.find('=') == std::string::npos)
        return "neither a url nor keyword=value pairs";
    if (is_uri) {
        const auto authority = url.substr(scheme + 3, url.find('?') - scheme - 3);
        const auto at = authority.rfind('@');
        if (at != std::string::npos && authority.find(':') < at)
            return "holds a password" + std::string{remedy};
    }
    std::string squeezed = url;
    squeezed.erase(std::remove(squeezed.begin(), squeezed.end(), ' '), squeezed.end());
    if (squeezed.find("password=") != std::string::npos)
        return "holds a password" + std::string{remedy};
    auto fault = connection_string_fault(url);
    return fault.empty() ? std::nullopt : std::optional{std::move(fault)};
}

std::optional<std::string> check_name(const std::string& text)
{
    const auto fits = [](char c) {
        return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
    };
    if (text.empty() || text.size() > 64 || !std::all_of(text.begin(), text.end(), fits))
        return "not a name";
    return std::nullopt;
}

std::optional<std::string> check_endpoint_path(const std::string& text)
{
    const auto fits = [](char c) { return c > ' ' && c < '\x7f' && c != '?' && c != '#'; };
    if (text.empty() || text.front() != '/')
        return "does not begin with \"/\"";
    if (!std::all_of(text.begin(), text.end(), fits))
        return "holds a character that a path cannot";
    if (text == "/healthz")
        return "\"/healthz\" is where the balancer asks for health";
    return std::nullopt;
}

std::optional<std::string> check_company_id(const std::string& text)
{
    constexpr std::size_t bytes_max = 200;
    if (text.empty() || text.size() > bytes_max)
        return "is no company_id";
    return std::nullopt;
}

} // namespace

const text_form company_id_form{check_company_id, "company_ids, as [\"MDc6Q29tcGFueTkw\"]"};
const text_form address_form{check_address,
                             "an IP address and a port, as \"0.0.0.0:8443\" or \"[::1]:8443\""};
const text_form network_form{check_network, "addresses or networks, as [\"10.0.0.0/8\", \"::1\"]"};
const text_form database_url_form{check_database_url,
                                  "a libpq connection string without a password, as "
                                  "\"postgresql://gateway@db.example.com/gateway\""};
const text_form name_form{check_name, "1 to 64 letters, digits, '-', '_' or '.'"};
const text_form endpoint_path_form{
    check_endpoint_path,
    "\"/\" and printable characters without '?', '#' or blanks, but not \"/healthz\""};

bool is_loopback(const std::string& address)
{
    const auto parsed = parse_listen_address(address);
    return parsed && parsed.value().host.is_loopback();
}

bool same_port(const std::string& address, const std::string& other)
{
    const auto a = parse_listen_address(address);
    const auto b = parse_listen_address(other);
    if (!a || !b || a.value().port == 0 || a.value().port != b.value().port)
        return false;
    const auto& host = a.value().host;
    const auto& other_host = b.value().host;
    return host == other_host || host.is_unspecified() || other_host.is_unspecified();
}

} // namespace gateway
