// The table itself, section by section. See settings.hpp.
#include "app/config/settings.hpp"

namespace gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kib = 1U << 10U;
constexpr std::size_t mib = 1U << 20U;
constexpr std::size_t gib = 1U << 30U;
constexpr auto at_start = taken_up::at_start;
constexpr auto by_reload = taken_up::by_reload;

// Makes the rows of a section, most of which are taken up as is `usual`.
template <class Members>
struct section {
    const char* name;
    Members config::*where;
    taken_up usual;

    template <class Holder, class Value>
    place<Value> operator[](Value Holder::*member) const
    {
        return [section = where, member](config& c) -> Value& { return (c.*section).*member; };
    }

    setting operator()(const char* key, rule how, std::optional<taken_up> when = {}) const
    {
        return {name, key, std::move(how), when.value_or(usual)};
    }
};
// clang 14 does not see it by itself.
template <class Members>
section(const char*, Members config::*, taken_up) -> section<Members>;

std::vector<setting> listener_rows()
{
    constexpr section listener{"listener", &config::listener, by_reload};
    using l = listener_section;
    return {
        listener("address", rule::text(listener[&l::address], address_form), at_start),
        listener("tls_certificate",
                 rule::path(listener[&l::tls_certificate],
                            "path of a PEM file, the server's certificate first")),
        listener("tls_private_key",
                 rule::path(listener[&l::tls_private_key], "path of a PEM file")),
        listener("behind_tls_proxy", rule::flag(listener[&l::behind_tls_proxy])),
        listener("trusted_proxies", rule::list(listener[&l::trusted_proxies], network_form)),
        listener("proxy_protocol", rule::flag(listener[&l::proxy_protocol])),
        listener("threads", rule::count(listener[&l::threads], 1, 64), at_start),
    };
}

std::vector<setting> store_rows()
{
    constexpr section database{"database", &config::database, at_start};
    constexpr section spool{"spool", &config::spool, at_start};
    constexpr section retention{"retention", &config::retention, at_start};
    using d = database_section;
    using s = spool_section;
    constexpr section subscribers{"subscribers", &config::subscribers, at_start};
    using r = retention_settings;
    using p = subscribers_section;
    const auto days = [&](auto member) { return rule::count(retention[member], 0, 36'500); };
    return {
        database("url", rule::text(database[&d::url], database_url_form)),
        database("embedded", rule::path(database[&d::embedded],
                                        "path of a directory that the gateway may own")),
        database("writers", rule::count(database[&d::writers], 1, 32)),
        database("accept_weak_durability", rule::flag(database[&d::accept_weak_durability])),
        spool("directory",
              rule::path(spool[&s::directory],
                         "path of a directory on a local disk, for this gateway alone")),
        spool("bytes_max", rule::bytes(spool[&s::bytes_max], 16 * mib, 1'024 * gib)),
        spool("any_file_system", rule::flag(spool[&s::any_file_system])),
        spool("drain_rate_max", rule::count(spool[&s::drain_rate_max], 1, 1'000'000)),
        retention("delivery_days", days(&r::delivery_days)),
        retention("quarantine_days", days(&r::quarantine_days)),
        retention("source_event_days", days(&r::source_event_days)),
        subscribers("phones_of_north_america",
                    rule::flag(subscribers[&p::phones_of_north_america])),
        subscribers("phones_of_elsewhere",
                    rule::list(subscribers[&p::phones_of_elsewhere], company_id_form)),
    };
}

std::vector<setting> operator_rows()
{
    constexpr section admin{"admin", &config::admin, at_start};
    constexpr section log{"log", &config::log, at_start};
    using l = log_section;
    return {
        admin("address", rule::text(admin[&admin_section::address], address_form)),
        log("level", rule::choice(log[&l::level], {"trace", "debug", "info", "warn", "error"}),
            by_reload),
        log("format", rule::choice(log[&l::format], {"json", "text"})),
    };
}

std::vector<setting> size_rows()
{
    constexpr section limits{"limits", &config::limits, by_reload};
    using l = limits_section;
    return {
        limits("header_bytes_max", rule::bytes(limits[&l::header_bytes_max], kib, 64 * kib)),
        limits("header_fields_max", rule::count(limits[&l::header_fields_max], 8, 1'000)),
        limits("body_bytes_max", rule::bytes(limits[&l::body_bytes_max], kib, 64 * mib)),
        limits("requests_per_connection_max",
               rule::count(limits[&l::requests_per_connection_max], 1, 1'000'000'000)),
        limits("connections_max", rule::count(limits[&l::connections_max], 1, 1'000'000)),
        limits("connections_per_peer_max",
               rule::count(limits[&l::connections_per_peer_max], 1, 1'000'000)),
        limits("inbox_events_max", rule::count(limits[&l::inbox_events_max], 1, 10'000'000),
               at_start),
        limits("inbox_bytes_max", rule::bytes(limits[&l::inbox_bytes_max], mib, 64 * gib),
               at_start),
        limits("batch_events_max", rule::count(limits[&l::batch_events_max], 1, 10'000), at_start),
        limits("batch_bytes_max", rule::bytes(limits[&l::batch_bytes_max], 64 * kib, 256 * mib),
               at_start),
    };
}

std::vector<setting> time_rows()
{
    constexpr section limits{"limits", &config::limits, by_reload};
    constexpr section alarms{"alarms", &config::alarms, by_reload};
    using l = limits_section;
    using a = alarms_section;
    constexpr milliseconds none{0};
    constexpr milliseconds tenth{100};
    constexpr milliseconds day{86'400'000};
    return {
        limits("handshake_timeout", rule::span(limits[&l::handshake_timeout], tenth, seconds{60})),
        limits("header_timeout", rule::span(limits[&l::header_timeout], tenth, seconds{60})),
        limits("body_timeout", rule::span(limits[&l::body_timeout], tenth, seconds{300})),
        limits("answer_timeout", rule::span(limits[&l::answer_timeout], tenth, seconds{60})),
        limits("write_timeout", rule::span(limits[&l::write_timeout], tenth, seconds{60})),
        limits("idle_timeout", rule::span(limits[&l::idle_timeout], seconds{1}, seconds{3'600})),
        limits("retry_after", rule::span(limits[&l::retry_after], seconds{1}, seconds{3'600})),
        limits("batch_deadline", rule::span(limits[&l::batch_deadline], tenth, seconds{60}),
               at_start),
        limits("drain_delay", rule::span(limits[&l::drain_delay], none, seconds{300})),
        limits("drain_timeout", rule::span(limits[&l::drain_timeout], tenth, seconds{600})),
        alarms("wrong_key_after", rule::span(alarms[&a::wrong_key_after], seconds{1}, day)),
        alarms("wrong_key_failures", rule::count(alarms[&a::wrong_key_failures], 1, 1'000'000)),
        alarms("silence_grace", rule::span(alarms[&a::silence_grace], none, day)),
    };
}

} // namespace

const std::vector<setting>& settings()
{
    static const std::vector<setting> all = [] {
        std::vector<setting> table = listener_rows();
        for (auto part : {store_rows(), operator_rows(), size_rows(), time_rows()})
            table.insert(table.end(), part.begin(), part.end());
        return table;
    }();
    return all;
}

} // namespace gateway
