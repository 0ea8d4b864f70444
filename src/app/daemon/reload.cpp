// What is exchanged while the daemon serves: at SIGHUP all that the configuration says, and the
// certificate whenever it is replaced on the disk.
#include "app/config/secrets.hpp"
#include "app/console/log.hpp"
#include "app/daemon/health.hpp"
#include "app/daemon/implementation.hpp"
#include "gateway/base/log.hpp"

namespace gateway {

listener_settings daemon::implementation::served_settings()
{
    return settings_of(serving, [this] { return writer->available(); });
}

// All is read and checked first; a fault in any part keeps every part of the old.
void daemon::implementation::reload()
{
    if (!reread || draining)
        return;
    notify_reloading();
    auto next = [this]() -> result<generation> {
        BOOST_OUTCOME_TRY(const auto c, reread());
        return prepare(c, *writer);
    }();
    if (next) {
        take(std::move(next).value());
    } else {
        reloads.refused.add();
        write_log(
            severity::error, "reload_refused",
            "the configuration was not reloaded, the old one goes on as it is: "
            "{error.message}",
            {{"error.type", name(next.error().code)}, {"error.message", next.error().detail}});
    }
    status = status_line(state());
    notify_ready(next ? status : "Reload refused, see the log; " + status);
}

void daemon::implementation::take(generation next)
{
    for (const auto& key : left_for_restart(settings, next.from))
        write_log(severity::warn, "restart_needed",
                  "{attentive.config.key} has changed: it takes effect at the next restart",
                  {{"attentive.config.key", key}});
    serving = std::move(next);
    set_log_level(serving.from.log.level);
    watch_for.serve(serving.from);
    serving_on.replace(served_settings());
    reloads.taken.add();
    write_log(severity::info, "reloaded",
              "reloaded: certificate, endpoints, signing keys, limits and log level are those of "
              "the files now");
}

void daemon::implementation::renew_certificate()
{
    if (!serving.certificate.changed())
        return;
    auto loaded = load_certificate(serving.from);
    if (!loaded) {
        if (!serving.certificate.worth_telling())
            return;
        reloads.refused.add();
        write_log(
            severity::error, "certificate_refused",
            "the certificate on the disk was not taken, the old one goes on: {error.message}",
            {{"error.type", name(loaded.error().code)}, {"error.message", loaded.error().detail}});
        return;
    }
    serving.certificate.taken();
    serving.tls = std::move(loaded).value();
    serving_on.replace_tls(serving.tls);
    reloads.taken.add();
    write_log(severity::info, "certificate_taken",
              "took the certificate that was replaced on the disk, valid until "
              "{tls.server.not_after}",
              {{"tls.server.not_after", to_string(expires_at(serving.tls))}});
}

} // namespace gateway
