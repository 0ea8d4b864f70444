#include "app/config/units.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>

namespace gateway {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<unit, 4> duration_units{
    {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

// Largest first: what size_text() prefers.
constexpr std::array<unit, 7> size_units{{{"GiB", 1ULL << 30U},
                                          {"GB", 1'000'000'000},
                                          {"MiB", 1ULL << 20U},
                                          {"MB", 1'000'000},
                                          {"KiB", 1ULL << 10U},
                                          {"KB", 1'000},
                                          {"B", 1}}};

constexpr std::uint64_t duration_max = 1'000ULL * 24 * 3'600'000; // ms
constexpr std::uint64_t size_max = 1'000ULL << 30U;

template <std::size_t N>
std::optional<std::uint64_t> parse(std::string_view text, const std::array<unit, N>& units,
                                   std::uint64_t max)
{
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{})
        return std::nullopt;
    const std::string_view name{rest, static_cast<std::size_t>(end - rest)};
    for (const unit& u : units) {
        if (u.name == name && number <= max / u.factor)
            return number * u.factor;
    }
    return std::nullopt;
}

template <std::size_t N>
std::string show(std::uint64_t value, const std::array<unit, N>& units)
{
    for (const unit& u : units) {
        if (value != 0 && value % u.factor == 0)
            return std::to_string(value / u.factor) + std::string{u.name};
    }
    return "0" + std::string{units.back().name};
}

} // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text)
{
    const auto value = parse(text, duration_units, duration_max);
    if (!value)
        return std::nullopt;
    return std::chrono::milliseconds{static_cast<std::int64_t>(*value)};
}

std::optional<std::size_t> parse_size(std::string_view text)
{
    return parse(text, size_units, size_max);
}

std::optional<timestamp> parse_time(std::string_view text)
{
    std::string whole{text};
    if (whole.size() == std::string_view{"2026-11-21"}.size())
        whole += "T00:00:00Z";
    if (whole.size() == std::string_view{"2026-11-21T10:00:00Z"}.size())
        whole.insert(whole.size() - 1, ".000");
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    int millis = 0;
    if (std::sscanf(whole.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d.%3dZ", &year, &month, &day, &hours,
                    &minutes, &seconds, &millis) != 7)
        return std::nullopt;
    using namespace std::chrono;
    const year_month_day date{std::chrono::year{year} / static_cast<int>(month) /
                              static_cast<int>(day)};
    if (!date.ok() || year < 1)
        return std::nullopt;
    const timestamp t = sys_days{date} + std::chrono::hours{hours} + std::chrono::minutes{minutes} +
                        std::chrono::seconds{seconds} + milliseconds{millis};
    if (to_string(t) != whole) // 25 o'clock, a sign or blank instead of a digit
        return std::nullopt;
    return t;
}

std::string duration_text(std::chrono::milliseconds d)
{
    return show(static_cast<std::uint64_t>(d.count()), duration_units);
}

std::string size_text(std::size_t bytes)
{
    return show(bytes, size_units);
}

std::string rough_text(std::chrono::milliseconds d)
{
    using namespace std::chrono;
    if (d < minutes{2})
        return std::to_string(duration_cast<seconds>(d).count()) + " s";
    if (d < hours{2})
        return std::to_string(duration_cast<minutes>(d).count()) + " min";
    if (d < days{2})
        return std::to_string(duration_cast<hours>(d).count()) + " h";
    return std::to_string(duration_cast<days>(d).count()) + " days";
}

} // namespace gateway
