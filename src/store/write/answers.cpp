#include "store/write/answers.hpp"

namespace gateway {

receipt receipt_of(const pending& p)
{
    if (p.is_event())
        return receipt{disposition::accepted, p.event().event_id, std::nullopt};
    return receipt{disposition::quarantined, quarantine_id(p.delivery), p.refusal().reason};
}

void answer_accepted(const std::vector<std::unique_ptr<pending>>& all, delivery_metrics& metrics)
{
    for (const auto& p : all) {
        metrics.count(*p, p->is_event() ? outcome::accepted : outcome::quarantined);
        p->done(receipt_of(*p));
    }
}

} // namespace gateway
