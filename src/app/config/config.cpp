// Reads the file key by key, then checks what more than one key decides.
#include "app/config/config.hpp"

#include "app/config/checks.hpp"
#include "app/config/endpoints.hpp"
#include "app/config/installation.hpp"
#include "app/config/read_file.hpp"
#include "app/config/settings.hpp"
#include "app/config/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gateway {
namespace {

constexpr std::size_t file_bytes_max = 1U << 20U;
// toml++ recurses for each part of a dotted key: tens of thousands would end the process.
constexpr std::size_t dots_max = 2'000;

using position = toml::source_position;

const std::vector<std::string> section_keys = {"listener", "endpoint",   "database", "admin",
                                               "log",      "limits",     "spool",    "retention",
                                               "alarms",   "subscribers"};

std::vector<std::string> keys_of(std::string_view section)
{
    std::vector<std::string> keys;
    for (const setting& s : settings()) {
        if (s.section == section)
            keys.emplace_back(s.key);
    }
    if (section == "database")
        keys.emplace_back("password");
    if (section == "admin")
        keys.emplace_back("token");
    return keys;
}

class config_reader {
public:
    config_reader(const toml::table& root, std::string name) : root_(root), faults_(std::move(name))
    {
    }

    result<config> read()
    {
        faults_.add_unknown_keys(root_, "", section_keys);
        for (const auto& [key, node] : root_)
            read_section(std::string{key.str()}, key.source().begin, node);
        if (!root_.contains("endpoint"))
            faults_.add({}, "endpoint", "missing",
                        "at least one [[endpoint]] with name, path and signing_keys");
        check_certificate();
        check_proxies();
        check_database();
        check_limits();
        check_ports();
        check_spool();
        if (!faults_.empty())
            return fail(errc::config_invalid, faults_.text());
        return std::move(config_);
    }

private:
    void read_section(const std::string& section, position at, const toml::node& node)
    {
        if (std::find(section_keys.begin(), section_keys.end(), section) == section_keys.end())
            return;
        if (section == "endpoint") {
            config_.endpoints = read_endpoints(node, at, faults_);
            return;
        }
        const toml::table* const table = node.as_table();
        if (table == nullptr)
            return faults_.add(at, section, "a table is expected, not " + kind_of(node),
                               "[" + section + "] and its keys below it");
        faults_.add_unknown_keys(*table, section, keys_of(section));
        for (const setting& s : settings()) {
            const toml::node* const value = s.section == section ? table->get(s.key) : nullptr;
            if (value == nullptr)
                continue;
            if (const auto wrong = s.how.read({*value}, config_))
                faults_.add(value->source().begin, s.path(), *wrong, s.how.allowed);
        }
        for (const auto& [key, value] : *table) {
            const position key_at = key.source().begin;
            if (section == "database" && key.str() == "password")
                config_.database.password =
                    read_secret_place(value, key_at, "database.password", faults_);
            if (section == "admin" && key.str() == "token")
                config_.admin.token = read_secret_place(value, key_at, "admin.token", faults_);
        }
    }

    bool is_given(std::string_view section, std::string_view key) const
    {
        return root_[section][key].node() != nullptr;
    }

    // Where `section.key` stands, or else its section.
    position where_is(std::string_view section, std::string_view key) const
    {
        const toml::table* const table = root_[section].as_table();
        if (table == nullptr)
            return {};
        const toml::node* const node = table->get(key);
        return node == nullptr ? table->source().begin : node->source().begin;
    }

    void refuse(const char* section, const char* key, const std::string& what,
                std::string_view allowed)
    {
        faults_.add(where_is(section, key), fmt::format("{}.{}", section, key), what, allowed);
    }

    void check_certificate()
    {
        auto& l = config_.listener;
        const bool has_certificate = is_given("listener", "tls_certificate");
        const bool has_key = is_given("listener", "tls_private_key");
        constexpr const char* both = "both, or neither for plain HTTP";
        if (has_certificate && !has_key)
            refuse("listener", "tls_certificate", "stands without tls_private_key", both);
        if (has_key && !has_certificate)
            refuse("listener", "tls_private_key", "stands without tls_certificate", both);
        l.tls_certificate_at = faults_.place(where_is("listener", "tls_certificate"));
        l.tls_private_key_at = faults_.place(where_is("listener", "tls_private_key"));
        // An address that was refused left the default in its place: nothing to add to that.
        const auto written = root_["listener"]["address"].value_or(l.address);
        if (!has_certificate && !has_key && written == l.address && !is_loopback(l.address) &&
            !l.behind_tls_proxy)
            refuse("listener", "address",
                   "\"" + l.address + "\" would take plain HTTP from the network",
                   "tls_certificate and tls_private_key, a loopback address, or "
                   "behind_tls_proxy = true when a proxy in front ends TLS");
    }

    void check_proxies()
    {
        const auto* const proxies = root_["listener"]["trusted_proxies"].as_array();
        if (config_.listener.proxy_protocol && (proxies == nullptr || proxies->empty()))
            refuse("listener", "proxy_protocol",
                   "stands without trusted_proxies: no PROXY header would ever be read",
                   "true together with trusted_proxies = [\"address of the proxy\"]");
    }

    void check_database()
    {
        const bool has_url = is_given("database", "url");
        const bool has_embedded = is_given("database", "embedded");
        if (has_url == has_embedded)
            faults_.add(where_is("database", "embedded"), "database",
                        has_url ? "url and embedded exclude each other" : "missing url or embedded",
                        "exactly one: url = \"postgresql://…\" of a server, or embedded = "
                        "\"/directory\" for a private one");
        if (has_embedded && is_given("database", "password"))
            refuse("database", "password", "the embedded database needs none", "only beside url");
    }

    void check_limits()
    {
        const auto& l = config_.limits;
        if (l.body_bytes_max > l.inbox_bytes_max)
            refuse("limits", "body_bytes_max",
                   "more than inbox_bytes_max: such a body could never be taken",
                   "at most " + size_text(l.inbox_bytes_max));
        if (l.answer_timeout < l.batch_deadline)
            refuse("limits", "answer_timeout",
                   "shorter than batch_deadline: senders would be answered 503 for events that "
                   "are stored a moment later",
                   fmt::format("at least {}, or a shorter batch_deadline",
                               duration_text(l.batch_deadline)));
    }

    void check_ports()
    {
        if (same_port(config_.admin.address, config_.listener.address))
            refuse("admin", "address",
                   fmt::format("\"{}\" is the port of listener.address, \"{}\": only one of them "
                               "can be opened",
                               config_.admin.address, config_.listener.address),
                   "a port of its own");
    }

    void check_spool()
    {
        const auto& directory = config_.spool.directory;
        if (!directory.empty() && directory.is_relative())
            refuse("spool", "directory",
                   fmt::format("\"{}\" is relative: it would be another directory for each place "
                               "that the gateway or a command is started from",
                               directory.string()),
                   "a path that begins with \"/\"");
    }

    const toml::table& root_;
    fault_list faults_;
    config config_;
};

} // namespace

result<config> parse_config(std::string_view text, const std::string& name)
{
    if (std::cmp_greater(std::count(text.begin(), text.end(), '.'), dots_max))
        return fail(
            errc::config_invalid,
            fmt::format("{}: more than {} dots: no configuration needs as many", name, dots_max));
    try {
        const toml::table root = toml::parse(text, name);
        return config_reader{root, name}.read();
    } catch (const toml::parse_error& e) {
        fault_list faults{name};
        faults.add(e.source().begin, "TOML", std::string{e.description()}, {});
        return fail(errc::config_invalid, faults.text());
    }
}

result<config> load_config(const std::filesystem::path& file)
{
    const auto text = read_file(file, file_bytes_max);
    if (!text && file == default_config_file())
        return fail(errc::config_invalid, text.error().detail +
                                              "; another file is named by --config FILE or in "
                                              "ATTENTIVE_GATEWAY_CONFIG");
    if (!text)
        return fail(errc::config_invalid, text.error().detail);
    auto parsed = parse_config(text.value(), file.string());
    if (parsed)
        find_credentials(parsed.value(), file);
    return parsed;
}

} // namespace gateway
