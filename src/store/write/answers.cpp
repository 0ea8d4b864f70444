#include "store/write/answers.hpp"

namespace gateway {

namespace {

outcome outcome_of(disposition d)
{
    switch (d) {
    case disposition::stored: return outcome::stored;
    case disposition::duplicate: return outcome::duplicate;
    case disposition::quarantined: return outcome::quarantined;
    }
    return outcome::refused;
}

} // namespace

void answer_written(std::span<unit> units, const batch_written& written, delivery_metrics& metrics)
{
    for (std::size_t i = 0; i < units.size(); ++i) {
        unit& u = units[i];
        disposition what = disposition::quarantined;
        if (u.is_event())
            what = written.fresh[i] ? disposition::stored : disposition::duplicate;
        for (auto& member : u.members) {
            receipt r{.what = what, .id = u.id, .reason = std::nullopt};
            if (!u.is_event())
                r.reason = member->refusal().reason;
            metrics.count(*member, outcome_of(what));
            member->done(r);
            if (u.is_event())
                what = disposition::duplicate;
        }
    }
}

receipt receipt_of_spooled(const pending& p)
{
    if (p.is_event())
        return receipt{disposition::stored, p.event().event_id, std::nullopt};
    return receipt{disposition::quarantined, quarantine_id(p.delivery), p.refusal().reason};
}

} // namespace gateway
