#include "gateway/base/metrics.hpp"

#include "gateway/base/encoding.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace gateway {
namespace {

prometheus::Registry& registry()
{
    static prometheus::Registry instance;
    return instance;
}

// Values may be a sender's: whoever reads the metrics in a terminal must not obey them.
prometheus::Labels to_labels(const metric_labels& labels)
{
    prometheus::Labels made;
    for (const auto& [name, value] : labels)
        made[name] = without_controls(value);
    return made;
}

template <class Builder>
auto& family(Builder builder, std::string_view name, std::string_view help)
{
    return builder.Name(std::string{name}).Help(std::string{help}).Register(registry());
}

} // namespace

void counter::add(double n) const
{
    if (on_ != nullptr)
        on_->Increment(n);
}

double counter::value() const
{
    return on_ == nullptr ? 0 : on_->Value();
}

void gauge::set(double value) const
{
    if (on_ != nullptr)
        on_->Set(value);
}

void gauge::add(double n) const
{
    if (on_ != nullptr)
        on_->Increment(n);
}

void histogram::observe(double value) const
{
    if (on_ != nullptr)
        on_->Observe(value);
}

void histogram::observe(std::chrono::steady_clock::duration time) const
{
    observe(std::chrono::duration<double>{time}.count());
}

counter make_counter(std::string_view name, std::string_view help, const metric_labels& labels)
{
    counter made;
    made.on_ = &family(prometheus::BuildCounter(), name, help).Add(to_labels(labels));
    return made;
}

gauge make_gauge(std::string_view name, std::string_view help, const metric_labels& labels)
{
    gauge made;
    made.on_ = &family(prometheus::BuildGauge(), name, help).Add(to_labels(labels));
    return made;
}

histogram make_histogram(std::string_view name, std::string_view help,
                         const std::vector<double>& buckets, const metric_labels& labels)
{
    histogram made;
    made.on_ = &family(prometheus::BuildHistogram(), name, help).Add(to_labels(labels), buckets);
    return made;
}

std::vector<double> latency_buckets()
{
    return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

std::string metrics_text()
{
    return prometheus::TextSerializer{}.Serialize(registry().Collect());
}

} // namespace gateway
