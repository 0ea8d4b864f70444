// The steps of a delivery, and nothing else; see pipeline.hpp.
#include "gateway/ingest/pipeline.hpp"

#include "gateway/attentive/event_catalog.hpp"
#include "gateway/store/newest_deliveries.hpp"

namespace gateway {

namespace {

constexpr std::array signature_faults = {errc::signature_missing, errc::signature_repeated,
                                         errc::signature_malformed, errc::signature_mismatch};

} // namespace

counter verified_signatures(const std::string& endpoint, const std::string& key_id)
{
    return make_counter("attentive_gateway_signatures_verified_total",
                        "Deliveries whose signature was made with this key.",
                        {{"endpoint", endpoint}, {"key_id", key_id}});
}

counter refused_signatures(const std::string& endpoint, errc why)
{
    return make_counter("attentive_gateway_signature_failures_total",
                        "Deliveries refused for their signature, which no signing key made.",
                        {{"endpoint", endpoint}, {"reason", std::string{name(why)}}});
}

pipeline::pipeline(verifier v, writer& w, const std::string& endpoint,
                   const std::vector<std::string>& key_ids)
    : verifier_(std::move(v)), writer_(w), endpoint_(endpoint)
{
    for (const auto& id : key_ids)
        keys_.push_back({id, verified_signatures(endpoint, id)});
    for (std::size_t i = 0; i < signature_faults.size(); ++i)
        failures_[i] = refused_signatures(endpoint, signature_faults[i]);
    announce_deliveries(endpoint, {event_type_names().begin(), event_type_names().end()});
}

void pipeline::count_failure(errc why) const
{
    for (std::size_t i = 0; i < signature_faults.size(); ++i) {
        if (signature_faults[i] == why)
            failures_[i].add();
    }
}

void pipeline::accept(delivery d, completion done) const
{
    const timestamp received_at = d.received_at;
    auto verified = verifier_.verify(std::move(d));
    if (verified.has_error()) {
        count_failure(verified.error().code);
        newest_deliveries().note_unsigned(
            {received_at, endpoint_, {}, "refused", name(verified.error().code), {}, {}});
        return done(std::move(verified).error());
    }
    for (const auto& key : keys_) {
        if (key.id == verified.value().key_id())
            key.verified.add();
    }
    writer_.submit(std::move(verified).value(), std::move(done));
}

} // namespace gateway
