// Signs each distinct body once. See bodies.hpp.
#include "client/bodies.hpp"

#include "gateway/attentive/event_catalog.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/attentive/verifier.hpp"
#include "gateway/demo/samples.hpp"

#include <algorithm>

namespace gateway {
namespace {

bool is_catalogued(const std::string& type)
{
    const auto& all = event_type_names();
    return std::find(all.begin(), all.end(), type) != all.end();
}

result<void> check_types(const std::vector<std::string>& types)
{
    const auto& known = sampled_types();
    std::string all;
    for (const std::string& type : known)
        all += (all.empty() ? "" : ", ") + type;
    if (types.empty())
        return fail(errc::config_invalid, "no event type is given; one of " + all);
    for (const std::string& type : types) {
        if (std::find(known.begin(), known.end(), type) == known.end())
            return fail(errc::config_invalid, "\"" + type + "\" is no event type of Attentive's" +
                                                  (is_catalogued(type) ? " with a sample" : "") +
                                                  "; one of " + all);
    }
    return ok();
}

} // namespace

body_stream::body_stream(const send_request& request, std::string head)
    : mac_(request.signing_key), head_(std::move(head)), types_(request.types), seed_(request.seed),
      journaled_(request.journal.has_value())
{
}

result<body_stream> body_stream::make(const send_request& request, const std::string& authority,
                                      const std::string& target)
{
    std::string head = "POST " + target + " HTTP/1.1\r\nHost: " + authority +
                       "\r\nUser-Agent: attentive-gateway\r\nContent-Type: application/json\r\n" +
                       std::string{signature_header} + ": ";
    body_stream stream{request, std::move(head)};
    if (request.body) {
        stream.fill(stream.prepared_.emplace_back(), *request.body);
        return stream;
    }
    if (!request.bodies.empty()) {
        for (const std::string& body : request.bodies)
            stream.fill(stream.prepared_.emplace_back(), body);
        return stream;
    }
    BOOST_OUTCOME_TRY(check_types(request.types));
    if (request.unique)
        return stream;
    for (const std::string& type : request.types)
        stream.fill(stream.prepared_.emplace_back(), documented_sample(type));
    return stream;
}

void body_stream::fill(outgoing& out, std::string_view body) const
{
    out.bytes.assign(head_);
    out.bytes += to_hex(mac_(body));
    out.bytes += "\r\nContent-Length: ";
    out.bytes += std::to_string(body.size());
    out.bytes += "\r\n\r\n";
    out.bytes += body;
    if (!journaled_)
        return;
    out.sha256 = to_hex(gateway::sha256(body));
    const normalized what = normalize(body);
    const auto* const event = std::get_if<source_event>(&what);
    out.event_id = event == nullptr ? std::string{} : to_string(event->event_id);
}

const outgoing& body_stream::at(std::uint64_t n, outgoing& scratch) const
{
    if (!prepared_.empty())
        return prepared_[n % prepared_.size()];
    fill(scratch, unique_sample(types_[n % types_.size()], seed_, n));
    return scratch;
}

} // namespace gateway
