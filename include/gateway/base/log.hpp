// What every layer says to the operator: a sentence for people and the values in it as fields for
// machines, named by OpenTelemetry's semantic conventions. How a line looks and where it goes is
// decided once, by the application (app/console/log.hpp).
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace gateway {

class log_limit;

enum class severity { trace, debug, info, warn, error, critical };

// One value of a line. Names are literals: README lists them. Never payload, never a secret.
struct log_field {
    using value_type = std::variant<std::monostate, std::string, std::int64_t, double, bool>;

    log_field(std::string_view n, std::string_view v) : name(n), value(std::string{v}) {}
    log_field(std::string_view n, const char* v) : name(n), value(std::string{v}) {}
    log_field(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
    log_field(std::string_view n, bool v) : name(n), value(v) {}
    log_field(std::string_view n, double v) : name(n), value(v) {}

    template <std::integral T>
    requires(!std::same_as<T, bool>) log_field(std::string_view n, T v)
        : name(n), value(static_cast<std::int64_t>(v))
    {
    }

    // In seconds, as the conventions want durations.
    template <typename R, typename P>
    log_field(std::string_view n, std::chrono::duration<R, P> v)
        : name(n), value(std::chrono::duration<double>{v}.count())
    {
    }

    // One without a value is left out, like an empty text.
    template <typename T>
    log_field(std::string_view n, const std::optional<T>& v) : name(n)
    {
        if (v)
            value = log_field{n, *v}.value;
    }

    std::string_view name;
    value_type value;
};

// How many lines like this one were held back since the last (base/log_limit.hpp). The sentence
// says so by itself, unless there were none.
log_field held_back_field(std::uint64_t lines);

// Writes a line: `event` names what happened, by a snake_case literal that does not change with
// the wording; in `sentence`, {name} stands for the field of that name. Any thread.
void write_log(severity level, std::string_view event, std::string_view sentence,
               std::vector<log_field> fields = {});

// The same, unless `limit` holds it back; a line that passes says how many were.
void write_log(log_limit& limit, severity level, std::string_view event, std::string_view sentence,
               std::vector<log_field> fields = {});

// The same for a text that holds its values already: braces in it are nothing but braces.
void write_log_text(severity level, std::string_view event, std::string text,
                    std::vector<log_field> fields = {});

// Whether such a line would be written: for lines on the way of every request.
bool is_logged(severity level);

// For the sink that shows the line which this thread writes just now: its event (empty for a line
// that spdlog itself was given) and its fields.
struct log_details {
    std::string_view event;
    const std::vector<log_field>* fields = nullptr;
};
log_details current_log_details();

// The value as text, strings as they are; empty without one.
std::string field_text(const log_field::value_type& value);

} // namespace gateway
