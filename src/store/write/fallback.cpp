#include "store/write/fallback.hpp"
#include "gateway/base/log.hpp"
#include "store/write/sabotage.hpp"

#include <utility>

namespace gateway {

fallback::fallback(const writer_settings& settings) : map_(settings.map)
{
    const auto& s = settings;
    if (s.fallback.to != nullptr)
        spooling_ =
            std::make_unique<spooler>(*s.fallback.to, bounds{s.inbox_events_max, s.inbox_bytes_max},
                                      bounds{s.batch_events_max, s.batch_bytes_max}, s.map);
}

void fallback::take(std::unique_ptr<pending> p, const error& why)
{
    if (sabotaged(sabotage::drop_batch))
        return acknowledge(*p, map_);
    if (spooling_)
        return spooling_->take(std::move(p));
    {
        const std::lock_guard lock{mutex_};
        refused_.count(*p, outcome::refused);
    }
    p->done(why);
}

void fallback::take(std::vector<std::unique_ptr<pending>> given, const error& why)
{
    for (auto& each : given)
        take(std::move(each), why);
}

void fallback::take_refused(std::vector<std::unique_ptr<pending>> given, const error& why)
{
    const std::size_t events = given.size();
    take(std::move(given), why);
    if (events == 0)
        return;
    write_log(log_, severity::warn, "batch_not_taken",
              "{attentive.delivery.count} deliveries not taken by the database, "
              "{attentive.delivery.outcome} ({error.type}): {error.message}",
              {{"attentive.delivery.count", events},
               {"attentive.delivery.outcome", spooling_ ? "spooled" : "refused"},
               {"error.type", name(why.code)},
               {"error.message", why.detail}});
}

std::chrono::milliseconds fallback::busy_for(worker::clock::time_point now) const
{
    return spooling_ ? spooling_->busy_for(now) : std::chrono::milliseconds{0};
}

} // namespace gateway
