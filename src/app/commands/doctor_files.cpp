// `doctor` on what lies on the disk: secrets, certificates, the spool.
#include "app/commands/doctor.hpp"
#include "app/config/secrets.hpp"
#include "app/config/units.hpp"
#include "app/daemon/health.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/listener/certificate_chain.hpp"

namespace gateway {
namespace {

namespace fs = std::filesystem;

constexpr const char* state_directory = "/var/lib/attentive-gateway"; // StateDirectory= makes it
constexpr const char* service_unit = "/usr/lib/systemd/system/attentive-gateway.service";

void check_keys(const config& c, diagnosis& found)
{
    for (const auto& endpoint : c.endpoints) {
        std::size_t readable = 0;
        for (const auto& key : endpoint.signing_keys) {
            endpoint_config one = endpoint; // one by one, so that a fault does not hide the next
            one.signing_keys = {key};
            if (const auto keys = read_signing_keys(one); !keys) {
                found.bad("signing keys", keys.error().detail,
                          "copy the key from Attentive's app settings to where the configuration "
                          "says; under systemd, run this while the service runs");
                continue;
            }
            ++readable;
            if (const auto bare = read_signing_key(key.secret); !bare.value().left_out.empty())
                found.doubtful("signing keys",
                               "endpoint " + endpoint.name + ", signing key " + key.id +
                                   ": left out around the key: " + bare.value().left_out,
                               "write the key alone: printf %s KEY > FILE");
        }
        if (readable == endpoint.signing_keys.size())
            found.good("signing keys",
                       "endpoint " + endpoint.name + ": " + std::to_string(readable) + " readable");
    }
}

void check_permissions(const config& c, diagnosis& found)
{
    const auto exposed = exposed_secrets(c);
    if (exposed.empty())
        found.good("permissions", "no secret is readable by more than its owner");
    for (const auto& each : exposed)
        found.doubtful("permissions",
                       each.what + ": " + each.readers + " can read " + each.file.string(),
                       "chmod go-rwx " + each.file.string());
}

void check_handshakes(const tls_context& tls, diagnosis& found)
{
    for (const auto version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
        const std::string name = version == tls_version::tls_1_2 ? "TLS 1.2" : "TLS 1.3";
        if (const auto done = try_handshake(tls, version); !done)
            found.bad("handshake", "none by " + name + " (" + done.error().detail + ")",
                      "get a certificate for a key of type RSA 2048 or EC P-256");
    }
}

} // namespace

void examine_secrets(const config& c, diagnosis& found)
{
    check_keys(c, found);
    check_permissions(c, found);
}

void examine_certificate(const config& c, diagnosis& found)
{
    if (c.listener.tls_certificate.empty()) {
        if (c.listener.behind_tls_proxy)
            found.doubtful("certificate", "none: plain HTTP behind a proxy",
                           "let nobody but the proxy reach " + c.listener.address);
        else
            found.good("certificate", "none: plain HTTP on a loopback address");
        return;
    }
    const auto tls = load_certificate(c);
    if (!tls)
        return found.bad("certificate", tls.error().detail, "senders cannot connect without it");
    const auto ends = expires_at(tls.value());
    if (ends - now() < certificate_warning)
        found.doubtful("certificate", "expires at " + to_string(ends), "renew it now");
    else
        found.good("certificate", "valid until " + to_string(ends));
    for (const auto& each : examine_chain(tls.value())) {
        if (each.refused)
            found.bad("certificate", each.what, each.remedy);
        else
            found.doubtful("certificate", each.what, each.remedy);
    }
    check_handshakes(tls.value(), found);
}

void examine_spool(const config& c, bool is_running, diagnosis& found)
{
    const fs::path& directory = c.spool.directory;
    if (directory.empty())
        return found.doubtful("spool", "none: while the database is away, events get 503",
                              "set spool.directory to a directory on a local disk");
    std::error_code ec;
    const bool exists = fs::exists(directory, ec);
    if (!exists && directory.parent_path() == state_directory && !fs::exists(state_directory, ec) &&
        fs::exists(service_unit, ec))
        return found.doubtful("spool", directory.string() + " is not there yet",
                              "systemctl start attentive-gateway makes it");
    auto settings = spool_settings_of(c);
    while (!fs::exists(settings.directory, ec) && settings.directory.has_relative_path())
        settings.directory = settings.directory.parent_path(); // where it would be made
    if (const auto tried = try_spool_directory(settings); !tried)
        return found.bad("spool", tried.error().detail,
                         "correct spool.directory, or run this as the gateway's user");
    if (!exists)
        return found.good("spool", directory.string() + " will be made at the start");
    if (const auto in_use = spool_in_use(directory); in_use && in_use.value() && !is_running)
        return found.bad("spool",
                         directory.string() + " is in use by another process, and no gateway "
                                              "answers at admin.address",
                         "stop that process, or give this gateway a directory of its own");
    std::uint64_t used = 0;
    std::size_t damaged = 0;
    for (const auto& entry : fs::directory_iterator{directory, ec}) {
        std::error_code gone; // the gateway deletes what it drained
        const auto size = entry.file_size(gone);
        used += gone ? 0 : size;
        damaged += entry.path().extension() == ".damaged" ? 1 : 0;
    }
    const auto free = fs::space(directory, ec).available;
    if (damaged > 0)
        found.doubtful("spool", std::to_string(damaged) + " damaged files were set aside",
                       "attentive-gateway spool verify; check the disk");
    if (used + free < c.spool.bytes_max)
        return found.doubtful("spool",
                              "the disk has room for " + size_text((used + free) >> 20U << 20U) +
                                  ", less than spool.bytes_max",
                              "free space, or lower spool.bytes_max");
    found.good("spool", directory.string() + ", " + std::to_string(used >> 20U) + " MiB of " +
                            size_text(c.spool.bytes_max) + " used");
}

} // namespace gateway
