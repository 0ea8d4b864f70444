// The table of keys and the checks of single values. See settings.hpp.
#include "app/config/settings.hpp"

#include "app/config/units.hpp"
#include "gateway/store/connection_string.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <charconv>

namespace gateway {
namespace {

namespace ip = boost::asio::ip;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kib = 1U << 10U;
constexpr std::size_t retention_days_max = 36'500;
constexpr std::size_t mib = 1U << 20U;

struct host_port {
    ip::address host;
    std::uint16_t port;
};

// "127.0.0.1:80" or "[::1]:80": a literal address, because a listening socket needs one.
std::optional<host_port> parse_address(const std::string& text)
{
    const auto colon = text.rfind(':');
    if (colon == std::string::npos)
        return std::nullopt;
    std::string host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    boost::system::error_code error;
    const ip::address address = ip::make_address(host, error);
    if (error || address.is_v6() != bracketed)
        return std::nullopt;
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, failure] = std::from_chars(text.data() + colon + 1, end, port);
    if (failure != std::errc{} || rest != end)
        return std::nullopt;
    return host_port{address, port};
}

std::optional<std::string> check_network(const std::string& text)
{
    const auto checked = check_trusted_proxy(text);
    return checked.has_error() ? std::optional{checked.error().detail} : std::nullopt;
}

// A password in the file would be a secret in the file. Never quotes it.
// Source: PostgreSQL manual, "Connection Strings".
std::optional<std::string> check_database_url(const std::string& url)
{
    constexpr std::string_view remedy =
        "; take it out of the url and set password = { file = \"…\" }, { credential = \"…\" } or "
        "{ environment = \"…\" } in [database], or use passfile= or a service file";
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

constexpr std::string_view address_allowed =
    "an IP address and a port, as \"0.0.0.0:8443\" or \"[::1]:8443\"";

std::vector<setting> make_listener_settings()
{
    return {
        {"listener", "address",
         text_rule{[](config& c) -> std::string& { return c.listener.address; }, check_address,
                   address_allowed}},
        {"listener", "tls_certificate",
         path_rule{[](config& c) -> std::filesystem::path& { return c.listener.tls_certificate; },
                   "path of a PEM file, the server's certificate first"}},
        {"listener", "tls_private_key",
         path_rule{[](config& c) -> std::filesystem::path& { return c.listener.tls_private_key; },
                   "path of a PEM file"}},
        {"listener", "behind_tls_proxy",
         flag_rule{[](config& c) -> bool& { return c.listener.behind_tls_proxy; }}},
        {"listener", "trusted_proxies",
         list_rule{
             [](config& c) -> std::vector<std::string>& { return c.listener.trusted_proxies; },
             check_network, "addresses or networks, as [\"10.0.0.0/8\", \"::1\"]"}},
        {"listener", "proxy_protocol",
         flag_rule{[](config& c) -> bool& { return c.listener.proxy_protocol; }}},
        {"listener", "threads",
         count_rule{[](config& c) -> std::size_t& { return c.listener.threads; }, 1, 64}},
        {"database", "url",
         text_rule{[](config& c) -> std::string& { return c.database.url; }, check_database_url,
                   "a libpq connection string without a password, as "
                   "\"postgresql://gateway@db.example.com/gateway\""}},
        {"database", "embedded",
         path_rule{[](config& c) -> std::filesystem::path& { return c.database.embedded; },
                   "path of a directory that the gateway may own"}},
        {"database", "writers",
         count_rule{[](config& c) -> std::size_t& { return c.database.writers; }, 1, 32}},
        {"database", "accept_weak_durability",
         flag_rule{[](config& c) -> bool& { return c.database.accept_weak_durability; }}},
        {"spool", "directory",
         path_rule{[](config& c) -> std::filesystem::path& { return c.spool.directory; },
                   "path of a directory on a local disk, for this gateway alone"}},
        {"spool", "bytes_max",
         size_rule{[](config& c) -> std::size_t& { return c.spool.bytes_max; }, 16 * mib,
                   mib* mib}},
        {"spool", "any_file_system",
         flag_rule{[](config& c) -> bool& { return c.spool.any_file_system; }}},
        {"spool", "drain_rate_max",
         count_rule{[](config& c) -> std::size_t& { return c.spool.drain_rate_max; }, 1,
                    1'000'000}},
        {"retention", "delivery_days",
         count_rule{[](config& c) -> std::size_t& { return c.retention.delivery_days; }, 0,
                    retention_days_max}},
        {"retention", "quarantine_days",
         count_rule{[](config& c) -> std::size_t& { return c.retention.quarantine_days; }, 0,
                    retention_days_max}},
        {"retention", "source_event_days",
         count_rule{[](config& c) -> std::size_t& { return c.retention.source_event_days; }, 0,
                    retention_days_max}},
        {"admin", "address",
         text_rule{[](config& c) -> std::string& { return c.admin.address; }, check_address,
                   address_allowed}},
        {"log", "level",
         choice_rule{[](config& c) -> std::string& { return c.log.level; },
                     {"trace", "debug", "info", "warn", "error"}}},
        {"log", "format",
         choice_rule{[](config& c) -> std::string& { return c.log.format; }, {"json", "text"}}},
    };
}

std::vector<setting> make_size_limits()
{
    return {
        {"limits", "header_bytes_max",
         size_rule{[](config& c) -> std::size_t& { return c.limits.header_bytes_max; }, kib,
                   64 * kib}},
        {"limits", "header_fields_max",
         count_rule{[](config& c) -> std::size_t& { return c.limits.header_fields_max; }, 8,
                    1'000}},
        {"limits", "body_bytes_max",
         size_rule{[](config& c) -> std::size_t& { return c.limits.body_bytes_max; }, kib,
                   64 * mib}},
        {"limits", "requests_per_connection_max",
         count_rule{[](config& c) -> std::size_t& { return c.limits.requests_per_connection_max; },
                    1, 1'000'000'000}},
        {"limits", "connections_max",
         count_rule{[](config& c) -> std::size_t& { return c.limits.connections_max; }, 1,
                    1'000'000}},
        {"limits", "connections_per_peer_max",
         count_rule{[](config& c) -> std::size_t& { return c.limits.connections_per_peer_max; }, 1,
                    1'000'000}},
        {"limits", "inbox_events_max",
         count_rule{[](config& c) -> std::size_t& { return c.inbox_events_max; }, 1, 10'000'000}},
        {"limits", "inbox_bytes_max",
         size_rule{[](config& c) -> std::size_t& { return c.inbox_bytes_max; }, mib,
                   64 * kib* mib}},
        {"limits", "batch_events_max",
         count_rule{[](config& c) -> std::size_t& { return c.batch_events_max; }, 1, 10'000}},
        {"limits", "batch_bytes_max",
         size_rule{[](config& c) -> std::size_t& { return c.batch_bytes_max; }, 64 * kib,
                   256 * mib}},
    };
}

using span = duration_rule<milliseconds>;

std::vector<setting> make_time_limits()
{
    constexpr milliseconds tenth{100};
    constexpr milliseconds none{0};
    return {
        {"limits", "handshake_timeout",
         span{[](config& c) -> milliseconds& { return c.limits.handshake_timeout; }, tenth,
              seconds{60}}},
        {"limits", "header_timeout",
         span{[](config& c) -> milliseconds& { return c.limits.header_timeout; }, tenth,
              seconds{60}}},
        {"limits", "body_timeout",
         span{[](config& c) -> milliseconds& { return c.limits.body_timeout; }, tenth,
              seconds{300}}},
        {"limits", "answer_timeout",
         span{[](config& c) -> milliseconds& { return c.limits.answer_timeout; }, tenth,
              seconds{60}}},
        {"limits", "write_timeout",
         span{[](config& c) -> milliseconds& { return c.limits.write_timeout; }, tenth,
              seconds{60}}},
        {"limits", "idle_timeout",
         span{[](config& c) -> milliseconds& { return c.limits.idle_timeout; }, seconds{1},
              seconds{3'600}}},
        {"limits", "retry_after",
         duration_rule<seconds>{[](config& c) -> seconds& { return c.limits.retry_after; },
                                seconds{1}, seconds{3'600}}},
        {"limits", "batch_deadline",
         span{[](config& c) -> milliseconds& { return c.batch_deadline; }, tenth, seconds{60}}},
        {"limits", "drain_delay",
         span{[](config& c) -> milliseconds& { return c.drain_delay; }, none, seconds{300}}},
        {"limits", "drain_timeout",
         span{[](config& c) -> milliseconds& { return c.drain_timeout; }, tenth, seconds{600}}},
    };
}

std::vector<setting> make_alarm_settings()
{
    constexpr milliseconds day{86'400'000};
    return {
        {"alarms", "wrong_key_after",
         span{[](config& c) -> milliseconds& { return c.alarms.wrong_key_after; }, seconds{1},
              day}},
        {"alarms", "wrong_key_failures",
         count_rule{[](config& c) -> std::size_t& { return c.alarms.wrong_key_failures; }, 1,
                    1'000'000}},
        {"alarms", "silence_grace",
         span{[](config& c) -> milliseconds& { return c.alarms.silence_grace; }, milliseconds{0},
              day}},
    };
}

std::string joined(const std::vector<std::string_view>& words)
{
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i != 0)
            out += i + 1 == words.size() ? " or " : ", ";
        out += words[i];
    }
    return out;
}

std::string quoted_text(const std::string& text)
{
    return text.empty() ? std::string{} : "\"" + text + "\"";
}

struct allowed_visitor {
    std::string operator()(const text_rule& r) const { return std::string{r.allowed}; }
    std::string operator()(const choice_rule& r) const { return joined(r.choices); }
    std::string operator()(const path_rule& r) const { return std::string{r.allowed}; }
    std::string operator()(const flag_rule&) const { return "true or false"; }
    std::string operator()(const list_rule& r) const { return std::string{r.allowed}; }
    std::string operator()(const count_rule& r) const
    {
        return std::to_string(r.min) + " to " + std::to_string(r.max);
    }
    std::string operator()(const size_rule& r) const
    {
        return size_text(r.min) + " to " + size_text(r.max);
    }
    template <class Duration>
    std::string operator()(const duration_rule<Duration>& r) const
    {
        const std::string whole =
            std::is_same_v<Duration, std::chrono::seconds> ? ", whole seconds" : "";
        return duration_text(r.min) + " to " + duration_text(r.max) + whole;
    }
};

struct value_visitor {
    config& c;

    std::string operator()(const text_rule& r) const { return quoted_text(r.in(c)); }
    std::string operator()(const choice_rule& r) const { return quoted_text(r.in(c)); }
    std::string operator()(const path_rule& r) const { return quoted_text(r.in(c).string()); }
    std::string operator()(const flag_rule& r) const { return r.in(c) ? "true" : "false"; }
    std::string operator()(const count_rule& r) const { return std::to_string(r.in(c)); }
    std::string operator()(const size_rule& r) const { return quoted_text(size_text(r.in(c))); }
    template <class Duration>
    std::string operator()(const duration_rule<Duration>& r) const
    {
        return quoted_text(duration_text(r.in(c)));
    }
    std::string operator()(const list_rule& r) const
    {
        std::string out = "[";
        for (const std::string& element : r.in(c))
            out += (out.size() > 1 ? ", " : "") + quoted_text(element);
        return out + "]";
    }
};

} // namespace

const std::vector<setting>& settings()
{
    static const std::vector<setting> all = [] {
        std::vector<setting> table = make_listener_settings();
        for (auto part : {make_size_limits(), make_time_limits(), make_alarm_settings()})
            table.insert(table.end(), part.begin(), part.end());
        return table;
    }();
    return all;
}

std::string allowed_text(const rule& r)
{
    return std::visit(allowed_visitor{}, r);
}

std::string value_text(const rule& r, config c)
{
    return std::visit(value_visitor{c}, r);
}

std::optional<std::string> check_address(const std::string& text)
{
    if (!parse_address(text))
        return "\"" + text + "\" is not an address with a port";
    return std::nullopt;
}

bool is_loopback(const std::string& address)
{
    const auto parsed = parse_address(address);
    return parsed && parsed->host.is_loopback();
}

bool same_port(const std::string& address, const std::string& other)
{
    const auto a = parse_address(address);
    const auto b = parse_address(other);
    return a && b && a->port != 0 && a->port == b->port &&
           (a->host == b->host || a->host.is_unspecified() || b->host.is_unspecified());
}

std::optional<std::string> check_name(const std::string& text)
{
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
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

} // namespace gateway
