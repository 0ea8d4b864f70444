#include "app/config/config.hpp"

#include "app/config/installation.hpp"
#include "app/config/read_file.hpp"
#include "app/config/settings.hpp"
#include "app/config/units.hpp"
#include "app/console/did_you_mean.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <set>

namespace gateway {
namespace {

constexpr std::size_t file_bytes_max = 1U << 20U;
// toml++ recurses for each part of a dotted key: tens of thousands would end the process.
constexpr std::size_t dots_max = 2'000;

using position = toml::source_position;

// Everything that is wrong, in the order of the file.
class fault_list {
public:
    explicit fault_list(std::string name) : name_(std::move(name)) {}

    void add(position at, const std::string& key, const std::string& what,
             const std::string& allowed)
    {
        const position shown{std::max(at.line, 1U), std::max(at.column, 1U)};
        std::string line = place(shown) + ": " + key + ": " + what;
        if (!allowed.empty())
            line += "; allowed: " + allowed;
        faults_.emplace_back(shown, std::move(line));
    }

    // "gateway.toml:12:40"
    std::string place(position at) const
    {
        return name_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    }

    bool empty() const { return faults_.empty(); }

    std::string text()
    {
        std::stable_sort(faults_.begin(), faults_.end(), [](const auto& a, const auto& b) {
            return std::pair{a.first.line, a.first.column} <
                   std::pair{b.first.line, b.first.column};
        });
        std::string out;
        for (const auto& [at, line] : faults_)
            out += (out.empty() ? "" : "\n") + line;
        return out;
    }

private:
    std::string name_;
    std::vector<std::pair<position, std::string>> faults_;
};

std::string list_text(const std::vector<std::string>& words)
{
    std::string out;
    for (const std::string& word : words)
        out += (out.empty() ? "" : ", ") + word;
    return out;
}

std::string kind_of(const toml::node& node)
{
    switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "text";
    case toml::node_type::integer: return "a whole number";
    case toml::node_type::floating_point: return "a decimal number";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
    }
}

// Names under which people write a secret into the file.
bool sounds_secret(std::string_view key)
{
    static const std::set<std::string_view> names = {
        "secret", "key",         "value",          "password",      "token",
        "passwd", "signing_key", "signing_secret", "webhook_secret"};
    return names.count(key) != 0;
}

const std::string secret_remedy = "a secret never stands in this file; name where it stands "
                                  "instead: file = \"/path\", credential = \"name\" "
                                  "(systemd LoadCredential) or environment = \"VARIABLE\"";

const std::vector<std::string> section_keys = {"listener", "endpoint", "database",  "admin", "log",
                                               "limits",   "spool",    "retention", "alarms"};
const std::vector<std::string> endpoint_keys = {"name", "path", "signing_keys"};
const std::vector<std::string> signing_key_keys = {"id", "file", "credential", "environment"};
const std::vector<std::string> source_keys = {"file", "credential", "environment"};

constexpr std::string_view signing_keys_allowed =
    "at least one { id = \"…\", file = \"…\" }, with credential or environment in place of file "
    "if you like";
constexpr std::string_view source_allowed =
    "exactly one of file = \"/path\", credential = \"name\", environment = \"VARIABLE\"";

// Reads one value by its rule. Each returns what is wrong, or nothing.
struct reader {
    const toml::node& node;
    config& c;

    using fault = std::optional<std::string>;

    fault wrong_type(const std::string& expected) const
    {
        return expected + " is expected, not " + kind_of(node);
    }

    fault operator()(const text_rule& r) const
    {
        const auto text = node.value_exact<std::string>();
        if (!text)
            return wrong_type("text");
        if (text->empty())
            return "is empty";
        if (auto wrong = r.check(*text))
            return wrong;
        r.in(c) = *text;
        return std::nullopt;
    }

    fault operator()(const choice_rule& r) const
    {
        const auto text = node.value_exact<std::string>();
        if (!text)
            return wrong_type("text");
        if (std::find(r.choices.begin(), r.choices.end(), *text) == r.choices.end())
            return "\"" + *text + "\" is not one of them";
        r.in(c) = *text;
        return std::nullopt;
    }

    fault operator()(const path_rule& r) const
    {
        const auto text = node.value_exact<std::string>();
        if (!text)
            return wrong_type("text");
        if (text->empty() || text->find('\0') != std::string::npos)
            return "is no path";
        r.in(c) = *text;
        return std::nullopt;
    }

    fault operator()(const flag_rule& r) const
    {
        const auto flag = node.value_exact<bool>();
        if (!flag)
            return wrong_type("true or false");
        r.in(c) = *flag;
        return std::nullopt;
    }

    fault operator()(const count_rule& r) const
    {
        const auto number = node.value_exact<std::int64_t>();
        if (!number)
            return wrong_type("a whole number");
        if (*number < 0 || static_cast<std::size_t>(*number) < r.min ||
            static_cast<std::size_t>(*number) > r.max)
            return std::to_string(*number) + " is out of range";
        r.in(c) = static_cast<std::size_t>(*number);
        return std::nullopt;
    }

    fault operator()(const size_rule& r) const
    {
        const auto text = node.value_exact<std::string>();
        if (!text)
            return wrong_type("text with a unit, as \"256KiB\" or \"2GB\",");
        const auto size = parse_size(*text);
        if (!size)
            return "\"" + *text + "\" is not a size with a unit, as \"256KiB\" or \"2GB\"";
        if (*size < r.min || *size > r.max)
            return "\"" + *text + "\" is out of range";
        r.in(c) = *size;
        return std::nullopt;
    }

    template <class Duration>
    fault operator()(const duration_rule<Duration>& r) const
    {
        const auto text = node.value_exact<std::string>();
        if (!text)
            return wrong_type("text with a unit, as \"5s\" or \"250ms\",");
        const auto duration = parse_duration(*text);
        if (!duration)
            return "\"" + *text + "\" is not a duration with a unit, as \"5s\" or \"250ms\"";
        const auto whole = std::chrono::duration_cast<Duration>(*duration);
        if (*duration < r.min || *duration > r.max || whole != *duration)
            return "\"" + *text + "\" is out of range";
        r.in(c) = whole;
        return std::nullopt;
    }

    fault operator()(const list_rule& r) const
    {
        const toml::array* const list = node.as_array();
        if (list == nullptr)
            return wrong_type("a list");
        std::vector<std::string> elements;
        for (const toml::node& element : *list) {
            const auto text = element.value_exact<std::string>();
            if (!text)
                return "holds " + kind_of(element) + " where text is expected";
            if (auto wrong = r.check(*text))
                return wrong;
            elements.push_back(*text);
        }
        r.in(c) = std::move(elements);
        return std::nullopt;
    }
};

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

// Says why `key` is refused, and what was probably meant.
void add_unknown(fault_list& faults, position at, const std::string& section,
                 const std::string& key, const std::vector<std::string>& known)
{
    const std::string path = section.empty() ? key : section + "." + key;
    if (sounds_secret(key)) {
        faults.add(at, path, "unknown key; " + secret_remedy, list_text(known));
        return;
    }
    for (const setting& s : settings()) {
        if (s.key == key && s.section != section) {
            faults.add(at, path, "stands in [" + std::string{s.section} + "]", {});
            return;
        }
    }
    const std::string guess = nearest(key, known);
    const std::string what = section.empty() ? "unknown section" : "unknown key";
    faults.add(at, path, guess.empty() ? what : what + ", did you mean " + guess + "?",
               list_text(known));
}

class config_reader {
public:
    config_reader(const toml::table& root, std::string name) : root_(root), faults_(std::move(name))
    {
    }

    result<config> read()
    {
        for (const auto& [key, node] : root_)
            read_section(std::string{key.str()}, key.source().begin, node);
        check_listener();
        check_database();
        check_inbox();
        check_ports();
        check_spool();
        check_deadlines();
        if (!root_.contains("endpoint"))
            faults_.add({}, "endpoint", "missing",
                        "at least one [[endpoint]] with name, path and "
                        "signing_keys");
        if (!faults_.empty())
            return fail(errc::config_invalid, faults_.text());
        return std::move(config_);
    }

private:
    void read_section(const std::string& section, position at, const toml::node& node)
    {
        if (std::find(section_keys.begin(), section_keys.end(), section) == section_keys.end()) {
            add_unknown(faults_, at, "", section, section_keys);
            return;
        }
        if (section == "endpoint") {
            read_endpoints(at, node);
            return;
        }
        const toml::table* const table = node.as_table();
        if (table == nullptr) {
            faults_.add(at, section, "a table is expected, not " + kind_of(node),
                        "[" + section + "] and its keys below it");
            return;
        }
        for (const auto& [key, value] : *table)
            read_key(section, std::string{key.str()}, key.source().begin, value);
    }

    void read_key(const std::string& section, const std::string& key, position at,
                  const toml::node& value)
    {
        if (section == "database" && key == "password") {
            config_.database.password = read_secret_table("database.password", at, value);
            return;
        }
        if (section == "admin" && key == "token") {
            config_.admin.token = read_secret_table("admin.token", at, value);
            return;
        }
        for (const setting& s : settings()) {
            if (s.section != section || s.key != key)
                continue;
            if (const auto wrong = std::visit(reader{value, config_}, s.how))
                faults_.add(value.source().begin, section + "." + key, *wrong, allowed_text(s.how));
            return;
        }
        add_unknown(faults_, at, section, key, keys_of(section));
    }

    std::optional<secret_source> read_secret_table(const std::string& path, position at,
                                                   const toml::node& value)
    {
        const toml::table* const table = value.as_table();
        if (table == nullptr) {
            faults_.add(value.source().begin, path,
                        value.is_string() ? secret_remedy
                                          : "a table is expected, not " + kind_of(value),
                        "{ file = \"/path\" } or another source");
            return std::nullopt;
        }
        for (const auto& [key, node] : *table) {
            if (std::find(source_keys.begin(), source_keys.end(), key.str()) == source_keys.end())
                add_unknown(faults_, key.source().begin, path, std::string{key.str()}, source_keys);
        }
        return read_source(*table, at, path);
    }

    // The text of `key`, checked; empty when it is missing, after saying so if `required`.
    std::string read_text(const toml::table& table, position at, const std::string& where,
                          std::string_view key, bool required,
                          std::optional<std::string> (*check)(const std::string&),
                          std::string_view allowed)
    {
        const std::string path = where + "." + std::string{key};
        const toml::node* const node = table.get(key);
        if (node == nullptr) {
            if (required)
                faults_.add(at, path, "missing", std::string{allowed});
            return {};
        }
        const auto text = node->value_exact<std::string>();
        if (!text) {
            faults_.add(node->source().begin, path, "text is expected, not " + kind_of(*node),
                        std::string{allowed});
            return {};
        }
        if (const auto wrong = check(*text)) {
            faults_.add(node->source().begin, path, *wrong, std::string{allowed});
            return {};
        }
        return *text;
    }

    secret_source read_source(const toml::table& table, position at, const std::string& where)
    {
        const auto filled = [](const std::string& text) -> std::optional<std::string> {
            if (text.empty() || text.find('\0') != std::string::npos)
                return "is empty or no text";
            return std::nullopt;
        };
        const auto plain_name = [](const std::string& text) -> std::optional<std::string> {
            if (text.empty() || text == "." || text == ".." || text.find('/') != std::string::npos)
                return "is not a credential's name";
            return std::nullopt;
        };
        secret_source source;
        source.file = read_text(table, at, where, "file", false, filled, "a path");
        source.credential = read_text(table, at, where, "credential", false, plain_name,
                                      "a name below $CREDENTIALS_DIRECTORY, without \"/\"");
        source.environment =
            read_text(table, at, where, "environment", false, filled, "a variable's name");
        for (const std::string& key : source_keys) {
            if (const toml::node* const node = table.get(key))
                source.at = faults_.place(node->source().begin);
        }
        const auto given =
            std::count_if(source_keys.begin(), source_keys.end(),
                          [&table](const std::string& key) { return table.contains(key); });
        if (given != 1)
            faults_.add(at, where,
                        given == 0 ? "says not where the secret stands"
                                   : "names " + std::to_string(given) + " places for one secret",
                        std::string{source_allowed});
        return source;
    }

    void read_endpoints(position at, const toml::node& node)
    {
        const toml::array* const list = node.as_array();
        if (list == nullptr || list->empty() || !list->is_homogeneous(toml::node_type::table)) {
            faults_.add(at, "endpoint", "a list of tables is expected",
                        "[[endpoint]], in double brackets, once for each endpoint");
            return;
        }
        for (const toml::node& element : *list)
            read_endpoint(*element.as_table());
    }

    void read_endpoint(const toml::table& table)
    {
        const position at = table.source().begin;
        for (const auto& [key, value] : table) {
            if (std::find(endpoint_keys.begin(), endpoint_keys.end(), key.str()) ==
                endpoint_keys.end())
                add_unknown(faults_, key.source().begin, "endpoint", std::string{key.str()},
                            endpoint_keys);
        }
        endpoint_config endpoint;
        endpoint.name = read_text(table, at, "endpoint", "name", true, check_name, name_allowed);
        endpoint.path = read_text(table, at, "endpoint", "path", true, check_endpoint_path,
                                  endpoint_path_allowed);
        for (const endpoint_config& other : config_.endpoints) {
            if (!endpoint.name.empty() && endpoint.name == other.name)
                faults_.add(table.get("name")->source().begin, "endpoint.name",
                            "\"" + endpoint.name + "\" is taken by another endpoint",
                            "a name of its own");
            if (!endpoint.path.empty() && endpoint.path == other.path)
                faults_.add(table.get("path")->source().begin, "endpoint.path",
                            "\"" + endpoint.path + "\" is taken by another endpoint",
                            "a path of its own");
        }
        read_signing_keys(table, endpoint);
        config_.endpoints.push_back(std::move(endpoint));
    }

    void read_signing_keys(const toml::table& table, endpoint_config& endpoint)
    {
        const std::string where = "endpoint.signing_keys";
        const toml::node* const node = table.get("signing_keys");
        const position at = node == nullptr ? table.source().begin : node->source().begin;
        const toml::array* const list = node == nullptr ? nullptr : node->as_array();
        if (list == nullptr || list->empty()) {
            std::string what = "missing: without a key nothing could be verified";
            if (node != nullptr && node->is_string())
                what = secret_remedy;
            else if (list != nullptr)
                what = "empty: without a key nothing could be verified";
            else if (node != nullptr)
                what = "a list is expected, not " + kind_of(*node);
            faults_.add(at, where, what, std::string{signing_keys_allowed});
            return;
        }
        for (const toml::node& element : *list) {
            if (const toml::table* const key = element.as_table())
                read_signing_key(*key, endpoint);
            else
                faults_.add(element.source().begin, where,
                            element.is_string() ? secret_remedy
                                                : "a table is expected, not " + kind_of(element),
                            std::string{signing_keys_allowed});
        }
    }

    void read_signing_key(const toml::table& table, endpoint_config& endpoint)
    {
        const std::string where = "endpoint.signing_keys";
        const position at = table.source().begin;
        for (const auto& [key, value] : table) {
            if (std::find(signing_key_keys.begin(), signing_key_keys.end(), key.str()) ==
                signing_key_keys.end())
                add_unknown(faults_, key.source().begin, where, std::string{key.str()},
                            signing_key_keys);
        }
        signing_key_config key;
        key.id = read_text(table, at, where, "id", true, check_name, name_allowed);
        for (const signing_key_config& other : endpoint.signing_keys) {
            if (!key.id.empty() && key.id == other.id)
                faults_.add(table.get("id")->source().begin, where + ".id",
                            "\"" + key.id + "\" is taken by another key of this endpoint",
                            "an id of its own");
        }
        key.secret = read_source(table, at, where);
        endpoint.signing_keys.push_back(std::move(key));
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

    void check_listener()
    {
        auto& l = config_.listener;
        const bool has_certificate = root_["listener"]["tls_certificate"].node() != nullptr;
        const bool has_key = root_["listener"]["tls_private_key"].node() != nullptr;
        if (has_certificate != has_key) {
            const std::string present = has_key ? "tls_private_key" : "tls_certificate";
            const std::string absent = has_key ? "tls_certificate" : "tls_private_key";
            faults_.add(where_is("listener", present), "listener." + present,
                        "stands without " + absent, "both, or neither for plain HTTP");
        }
        l.tls_certificate_at = faults_.place(where_is("listener", "tls_certificate"));
        l.tls_private_key_at = faults_.place(where_is("listener", "tls_private_key"));
        const auto* const proxies = root_["listener"]["trusted_proxies"].as_array();
        if (l.proxy_protocol && (proxies == nullptr || proxies->empty()))
            faults_.add(where_is("listener", "proxy_protocol"), "listener.proxy_protocol",
                        "stands without trusted_proxies: no PROXY header would ever be read",
                        "true together with trusted_proxies = [\"address of the proxy\"]");
        // An address that was refused left the default in its place: nothing to add to that.
        const auto written = root_["listener"]["address"].value_or(l.address);
        if (!has_certificate && !has_key && written == l.address && !is_loopback(l.address) &&
            !l.behind_tls_proxy) {
            faults_.add(where_is("listener", "address"), "listener.address",
                        "\"" + l.address + "\" would take plain HTTP from the network",
                        "tls_certificate and tls_private_key, a loopback address, or "
                        "behind_tls_proxy = true when a proxy in front ends TLS");
        }
    }

    void check_database()
    {
        const auto database = root_["database"];
        const bool has_url = database["url"].node() != nullptr;
        const bool has_embedded = database["embedded"].node() != nullptr;
        if (has_url == has_embedded) {
            faults_.add(where_is("database", "embedded"), "database",
                        has_url ? "url and embedded exclude each other" : "missing url or embedded",
                        "exactly one: url = \"postgresql://…\" of a server, or embedded = "
                        "\"/directory\" for a private one");
        }
        if (has_embedded && database["password"].node() != nullptr)
            faults_.add(where_is("database", "password"), "database.password",
                        "the embedded database needs none", "only beside url");
    }

    void check_inbox()
    {
        if (config_.limits.body_bytes_max > config_.inbox_bytes_max)
            faults_.add(where_is("limits", "body_bytes_max"), "limits.body_bytes_max",
                        "more than inbox_bytes_max: such a body could never be taken",
                        "at most " + size_text(config_.inbox_bytes_max));
    }

    void check_ports()
    {
        if (same_port(config_.admin.address, config_.listener.address))
            faults_.add(where_is("admin", "address"), "admin.address",
                        "\"" + config_.admin.address + "\" is the port of listener.address, \"" +
                            config_.listener.address + "\": only one of them can be opened",
                        "a port of its own");
    }

    void check_spool()
    {
        const auto& directory = config_.spool.directory;
        if (!directory.empty() && directory.is_relative())
            faults_.add(where_is("spool", "directory"), "spool.directory",
                        "\"" + directory.string() +
                            "\" is relative: it would be another directory for each place that the "
                            "gateway or a command is started from",
                        "a path that begins with \"/\"");
    }

    void check_deadlines()
    {
        if (config_.limits.answer_timeout < config_.batch_deadline)
            faults_.add(where_is("limits", "answer_timeout"), "limits.answer_timeout",
                        "shorter than batch_deadline: senders would be answered 503 for events "
                        "that are stored a moment later",
                        "at least " + duration_text(config_.batch_deadline) +
                            ", or a shorter batch_deadline");
    }

    const toml::table& root_;
    fault_list faults_;
    config config_;
};

} // namespace

result<config> parse_config(std::string_view text, const std::string& name)
{
    if (static_cast<std::size_t>(std::count(text.begin(), text.end(), '.')) > dots_max)
        return fail(errc::config_invalid, name + ": more than " + std::to_string(dots_max) +
                                              " dots: no configuration needs as many");
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
    auto text = read_file(file, file_bytes_max);
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

std::vector<config_key> config_keys()
{
    std::vector<config_key> keys;
    for (const setting& s : settings()) {
        keys.push_back({std::string{s.section} + "." + std::string{s.key}, allowed_text(s.how),
                        value_text(s.how, config{})});
    }
    keys.push_back({"database.password", std::string{source_allowed}, {}});
    keys.push_back({"admin.token", std::string{source_allowed}, {}});
    keys.push_back({"endpoint.name", std::string{name_allowed}, {}});
    keys.push_back({"endpoint.path", std::string{endpoint_path_allowed}, {}});
    keys.push_back({"endpoint.signing_keys", std::string{signing_keys_allowed}, {}});
    keys.push_back({"endpoint.signing_keys.id", std::string{name_allowed}, {}});
    for (const std::string& source : source_keys)
        keys.push_back({"endpoint.signing_keys." + source, std::string{source_allowed}, {}});
    return keys;
}

} // namespace gateway
