#include "app/daemon/generation.hpp"

#include "app/config/secrets.hpp"
#include "app/config/settings.hpp"

namespace gateway {
namespace {

bool same(const std::optional<secret_source>& a, const std::optional<secret_source>& b)
{
    if (!a || !b)
        return a.has_value() == b.has_value();
    return a->file == b->file && a->credential == b->credential && a->environment == b->environment;
}

} // namespace

result<generation> prepare(const config& c, writer& w)
{
    generation g;
    g.from = c;
    g.certificate = certificate_watch{c}; // before it is read: what changes meanwhile is a change
    if (!c.listener.tls_certificate.empty()) {
        BOOST_OUTCOME_TRY(g.tls, load_certificate(c));
    }
    for (const auto& endpoint : c.endpoints) {
        BOOST_OUTCOME_TRY(const auto keys, read_signing_keys(endpoint));
        BOOST_OUTCOME_TRY(auto checks, verifier::make(keys));
        std::vector<std::string> ids;
        for (const auto& key : keys)
            ids.push_back(key.id);
        g.ways.push_back(
            std::make_shared<const pipeline>(std::move(checks), w, endpoint.name, ids));
    }
    return g;
}

listener_settings settings_of(const generation& g, std::function<bool()> healthy)
{
    listener_settings s;
    s.tls = g.tls;
    s.limits = g.from.limits;
    s.trusted_proxies = g.from.listener.trusted_proxies;
    s.proxy_protocol = g.from.listener.proxy_protocol;
    s.healthy = std::move(healthy);
    for (std::size_t i = 0; i < g.from.endpoints.size(); ++i) {
        s.routes.push_back(route{g.from.endpoints[i].path, g.from.endpoints[i].name,
                                 std::string{signature_header},
                                 [way = g.ways[i]](delivery d, completion done) {
                                     way->accept(std::move(d), std::move(done));
                                 }});
    }
    return s;
}

std::vector<std::string> left_for_restart(const config& running, const config& next)
{
    std::vector<std::string> keys;
    for (const setting& s : settings()) {
        if (s.when == taken_up::at_start && s.how.shown(running) != s.how.shown(next))
            keys.push_back(s.path());
    }
    if (!same(running.database.password, next.database.password))
        keys.emplace_back("database.password");
    if (!same(running.admin.token, next.admin.token))
        keys.emplace_back("admin.token");
    return keys;
}

} // namespace gateway
