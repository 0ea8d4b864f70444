#include "store/write/spooler.hpp"
#include "gateway/base/log.hpp"
#include "store/write/answers.hpp"

#include <chrono>
#include <utility>

namespace gateway {

spooler::spooler(spool& into, bounds limit, bounds batch, mapping_function map)
    : spool_(into), box_(limit), batch_(batch), map_(std::move(map))
{
}

spooler::~spooler()
{
    box_.close();
}

void spooler::take(std::unique_ptr<pending> p)
{
    if (!box_.push(p))
        p->done(fail(errc::overloaded, "neither the database nor the spool keeps up"));
}

void spooler::run(worker& self)
{
    for (;;) {
        self.idle();
        auto taken = box_.take(batch_);
        if (taken.empty())
            return; // closed, and all is spooled
        self.beat();
        map_all(taken, map_);
        append(std::move(taken));
        box_.finished();
    }
}

void spooler::append(std::vector<std::unique_ptr<pending>> taken)
{
    std::vector<const verified_delivery*> deliveries;
    deliveries.reserve(taken.size());
    for (const auto& p : taken)
        deliveries.push_back(&p->delivery);
    const auto durable = spool_.append(deliveries);
    if (durable.has_error())
        write_log(refused_log_, severity::error, "deliveries_refused",
                  "{attentive.delivery.count} deliveries refused: the database is out of reach "
                  "and the spool takes nothing: {error.message}",
                  {{"attentive.delivery.count", taken.size()},
                   {"error.type", name(durable.error().code)},
                   {"error.message", durable.error().detail}});
    for (const auto& p : taken) {
        metrics_.count(*p, durable.has_error() ? outcome::refused : outcome::spooled);
        if (durable.has_error())
            p->done(durable.error());
        else
            p->done(receipt_of(*p));
    }
}

} // namespace gateway
