// A line goes through spdlog, whose messages have no place for fields: they are handed to the sink
// beside it, by the thread that writes. spdlog calls its sinks before it returns.
#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace gateway {
namespace {

constexpr std::string_view held_back = "attentive.log.held_back";

thread_local log_details details_now;

spdlog::level::level_enum to_spdlog(severity level)
{
    switch (level) {
    case severity::trace: return spdlog::level::trace;
    case severity::debug: return spdlog::level::debug;
    case severity::info: return spdlog::level::info;
    case severity::warn: return spdlog::level::warn;
    case severity::error: return spdlog::level::err;
    case severity::critical: return spdlog::level::critical;
    }
    return spdlog::level::critical;
}

// Values are never looked through for names again: they may come from anywhere.
std::string filled_in(std::string_view sentence, const std::vector<log_field>& fields)
{
    std::string text;
    while (!sentence.empty()) {
        const auto open = sentence.find('{');
        const auto close = sentence.find('}', open);
        text += sentence.substr(0, open);
        if (close == std::string_view::npos)
            return open == std::string_view::npos ? text : text.append(sentence.substr(open));
        const auto name = sentence.substr(open + 1, close - open - 1);
        const auto found = std::find_if(fields.begin(), fields.end(),
                                        [name](const log_field& f) { return f.name == name; });
        if (found != fields.end())
            text += field_text(found->value);
        sentence.remove_prefix(close + 1);
    }
    return text;
}

} // namespace

log_field held_back_field(std::uint64_t lines)
{
    return {held_back, lines > 0 ? std::optional{lines} : std::nullopt};
}

void write_log_text(severity level, std::string_view event, std::string text,
                    std::vector<log_field> fields)
{
    fields.erase(std::remove_if(fields.begin(), fields.end(),
                                [](const log_field& f) { return field_text(f.value).empty(); }),
                 fields.end());
    for (const log_field& f : fields) {
        if (f.name == held_back)
            text += " (" + field_text(f.value) + " more like this since the last such line)";
    }
    details_now = {event, &fields};
    spdlog::log(to_spdlog(level), spdlog::string_view_t{text.data(), text.size()});
    details_now = {};
}

void write_log(severity level, std::string_view event, std::string_view sentence,
               std::vector<log_field> fields)
{
    if (!is_logged(level))
        return;
    std::string text = filled_in(sentence, fields);
    write_log_text(level, event, std::move(text), std::move(fields));
}

void write_log(log_limit& limit, severity level, std::string_view event, std::string_view sentence,
               std::vector<log_field> fields)
{
    if (const auto lines = limit.pass()) {
        fields.push_back(held_back_field(*lines));
        write_log(level, event, sentence, std::move(fields));
    }
}

bool is_logged(severity level)
{
    return spdlog::should_log(to_spdlog(level));
}

log_details current_log_details()
{
    return details_now;
}

std::string field_text(const log_field::value_type& value)
{
    if (const auto* const text = std::get_if<std::string>(&value))
        return *text;
    if (const auto* const number = std::get_if<std::int64_t>(&value))
        return std::to_string(*number);
    if (const auto* const flag = std::get_if<bool>(&value))
        return *flag ? "true" : "false";
    const auto* const fraction = std::get_if<double>(&value);
    if (fraction == nullptr)
        return {};
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%.6g", *fraction);
    return digits.data();
}

} // namespace gateway
