// `check-config`: everything that `serve` would refuse, found before it is started: the file, the
// secrets it names, the certificate's files; and what would work but is better otherwise.
#include "app/commands/commands.hpp"
#include "app/config/checks.hpp"
#include "app/config/config.hpp"
#include "app/config/secrets.hpp"
#include "app/console/exit_code.hpp"

#include <cstdio>

namespace gateway {
namespace {

struct findings {
    std::vector<std::string> faults;
    std::vector<std::string> warnings;
};

void check_secrets(const config& c, findings& found)
{
    for (const endpoint_config& endpoint : c.endpoints) {
        // Key by key, so that one missing file does not hide the next.
        for (const signing_key_config& key : endpoint.signing_keys) {
            endpoint_config one = endpoint;
            one.signing_keys = {key};
            const auto keys = read_signing_keys(one);
            if (!keys)
                found.faults.push_back(keys.error().detail);
            else if (const auto made = verifier::make(keys.value()); !made)
                found.faults.push_back("endpoint " + endpoint.name + ": " + made.error().detail);
            if (const auto bare = read_signing_key(key.secret);
                bare && !bare.value().left_out.empty())
                found.warnings.push_back("endpoint " + endpoint.name + ", signing key " + key.id +
                                         ": left out around the key: " + bare.value().left_out +
                                         "; write the key alone");
        }
    }
    if (const auto url = database_url(c); !url)
        found.faults.push_back(url.error().detail);
    for (const auto& each : exposed_secrets(c))
        found.warnings.push_back(exposed_text(each));
}

void check_tls(const config& c, findings& found)
{
    if (!c.listener.tls_certificate.empty()) {
        if (const auto tls = load_certificate(c); !tls)
            found.faults.push_back(tls.error().detail);
    }
    if (c.listener.tls_certificate.empty() && c.listener.behind_tls_proxy)
        found.warnings.push_back("listener: plain HTTP on " + c.listener.address +
                                 ": only the proxy in front may reach this port");
}

void check_database(const config& c, findings& found)
{
    if (c.database.accept_weak_durability)
        found.warnings.emplace_back("database: with accept_weak_durability events that were "
                                    "answered 200 can be lost when the server's host goes down");
}

void check_admin(const config& c, findings& found)
{
    if (const auto token = read_admin_token(c); !token)
        found.faults.push_back(token.error().detail);
    if (!c.admin.token && !is_loopback(c.admin.address))
        found.warnings.push_back("admin: whoever reaches " + c.admin.address +
                                 " reads the page and the metrics; set token in [admin]");
}

void print_summary(const config& c)
{
    const char* const scheme = c.listener.tls_certificate.empty() ? "http" : "https";
    std::printf("  listener  %s://%s\n", scheme, c.listener.address.c_str());
    for (const endpoint_config& endpoint : c.endpoints) {
        std::string ids;
        for (const signing_key_config& key : endpoint.signing_keys)
            ids += (ids.empty() ? "" : ", ") + key.id;
        std::printf("  endpoint  %s at %s, signing keys: %s\n", endpoint.name.c_str(),
                    endpoint.path.c_str(), ids.c_str());
    }
    if (c.database.embedded.empty())
        std::printf("  database  by url\n");
    else
        std::printf("  database  embedded, in %s\n", c.database.embedded.c_str());
    if (c.spool.directory.empty())
        std::printf("  spool     none: while the database is out of reach, events are refused\n");
    else
        std::printf("  spool     %s\n", c.spool.directory.c_str());
    std::printf("  admin     %s\n", c.admin.address.c_str());
    std::printf("  log       %s, %s\n", c.log.level.c_str(), c.log.format.c_str());
}

} // namespace

int run_check_config(const check_config_options& options)
{
    const auto loaded = load_config(options.config);
    if (!loaded) {
        std::fprintf(stderr, "%s\n", loaded.error().detail.c_str());
        return exit_usage;
    }
    findings found;
    check_secrets(loaded.value(), found);
    check_tls(loaded.value(), found);
    check_database(loaded.value(), found);
    check_admin(loaded.value(), found);
    const std::string file = options.config.string();
    for (const std::string& warning : found.warnings)
        std::fprintf(stderr, "%s: warning: %s\n", file.c_str(), warning.c_str());
    for (const std::string& fault : found.faults) { // most name their line of the file
        const bool placed = fault.starts_with(file + ":");
        std::fprintf(stderr, "%s%s\n", placed ? "" : (file + ": ").c_str(), fault.c_str());
    }
    if (!found.faults.empty())
        return exit_usage;
    std::printf("%s: ok\n", file.c_str());
    print_summary(loaded.value());
    return exit_ok;
}

} // namespace gateway
