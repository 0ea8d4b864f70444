#include "app/console/columns.hpp"

#include "app/console/table.hpp"
#include "gateway/base/uuid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace gateway {
namespace {

constexpr std::size_t sentence_width_min = 30;

// Whether every value of the column that is there is `such`, and one is there.
template <class Such>
bool all_are(const query_table& table, std::size_t column, const Such& such)
{
    bool any = false;
    for (const auto& row : table.rows) {
        if (row[column].empty())
            continue;
        if (!such(row[column]))
            return false;
        any = true;
    }
    return any;
}

bool is_id(const std::string& value)
{
    return uuid_from_text(value).has_value();
}

// "2026-11-25 02:05:33", and whatever follows.
bool is_time(const std::string& value)
{
    constexpr std::string_view form = "0000-00-00 00:00:00";
    return value.size() >= form.size() &&
           std::equal(form.begin(), form.end(), value.begin(),
                      [](char f, char v) { return f == '0' ? v >= '0' && v <= '9' : f == v; });
}

bool is_number(const std::string& value)
{
    const std::size_t begin = value.starts_with('-') ? 1 : 0;
    return value.size() > begin && value.find_first_not_of("0123456789.", begin) == value.npos &&
           std::count(value.begin(), value.end(), '.') <= 1;
}

// PostgreSQL's "4 days 07:22:47.449", without months or years.
std::optional<long> interval_seconds(const std::string& value)
{
    const char* at = value.c_str();
    long days = 0;
    int length = 0;
    if (std::sscanf(at, "%9ld day%n", &days, &length) != 1 || length == 0) {
        days = 0;
    } else {
        at += length;
        at += *at == 's' ? 1 : 0;
        if (*at == '\0')
            return days * 86'400;
        at += *at == ' ' ? 1 : 0;
    }
    const long sign = *at == '-' ? -1 : 1;
    at += *at == '-' ? 1 : 0;
    long hours = 0;
    long minutes = 0;
    long seconds = 0;
    length = 0;
    if (std::sscanf(at, "%9ld:%2ld:%2ld%n", &hours, &minutes, &seconds, &length) != 3)
        return std::nullopt;
    const std::string_view rest{at + length};
    if (!rest.empty() && (rest[0] != '.' || rest.find_first_not_of("0123456789", 1) != rest.npos))
        return std::nullopt;
    return days * 86'400 + sign * (hours * 3'600 + minutes * 60 + seconds);
}

std::string interval_text(long seconds)
{
    const long all = std::abs(seconds);
    const long days = all / 86'400;
    const char* const sign = seconds < 0 ? "-" : "";
    if (days < 2)
        return fmt::format("{}{:02}:{:02}:{:02}", sign, all / 3'600, all / 60 % 60, all % 60);
    return fmt::format("{}{} d {:02}:{:02}", sign, days, all / 3'600 % 24, all / 60 % 60);
}

std::string to_thousandth(const std::string& number)
{
    const auto point = number.find('.');
    if (point == std::string::npos || number.size() - point <= 4)
        return number;
    return fmt::format("{:.3f}", std::strtold(number.c_str(), nullptr));
}

bool is_same_in_all(const query_table& table, std::size_t column)
{
    return table.rows.size() > 1 &&
           std::all_of(table.rows.begin(), table.rows.end(),
                       [&](const auto& row) { return row[column] == table.rows.front()[column]; });
}

void erase_column(query_table& table, std::size_t column)
{
    const auto at = static_cast<std::ptrdiff_t>(column);
    table.columns.erase(table.columns.begin() + at);
    for (auto& row : table.rows)
        row.erase(row.begin() + at);
}

template <class Which>
std::optional<std::size_t> last_column(const query_table& table, const Which& which)
{
    for (std::size_t column = table.columns.size(); column-- > 1;) {
        if (which(column))
            return column;
    }
    return std::nullopt;
}

bool is_sentence(const query_table& table, std::size_t column)
{
    return usual_width(table, column) >= sentence_width_min;
}

// Neither measure nor flag nor sentence: what a row is about, or how it came about.
bool is_word(const query_table& table, std::size_t column)
{
    const auto flag = [](const std::string& value) { return value == "t" || value == "f"; };
    return !all_are(table, column, is_number) && !all_are(table, column, flag) &&
           !is_sentence(table, column);
}

// What is missed least of what is not the same in all rows; nothing when all of it is needed. Views
// begin with what a row is about and end with what is said of it.
std::optional<std::size_t> least_needed(const query_table& table)
{
    std::size_t times = 0;
    std::optional<std::size_t> day;
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
        times += all_are(table, column, is_time) ? 1U : 0U;
        if (table.columns[column] == "day")
            day = column;
    }
    if (day && times > 0)
        return day;
    if (const auto id = last_column(table, [&](auto c) { return all_are(table, c, is_id); }))
        return id;
    const auto time = last_column(table, [&](auto c) { return all_are(table, c, is_time); });
    if (times > 1 && time)
        return time;
    const auto between = [&](auto c) { return c > 1 && c + 1 < table.columns.size(); };
    if (const auto word =
            last_column(table, [&](auto c) { return between(c) && is_word(table, c); }))
        return word;
    if (const auto any =
            last_column(table, [&](auto c) { return between(c) && !is_sentence(table, c); }))
        return any;
    return last_column(table, [&](auto c) { return !is_sentence(table, c); });
}

// Empty columns go, and ids that say nothing to a person stand last.
query_table arranged(const query_table& table)
{
    std::vector<std::size_t> order;
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
        if (all_are(table, column, [](const auto&) { return true; }))
            order.push_back(column);
    }
    std::stable_partition(order.begin(), order.end(),
                          [&](std::size_t c) { return !all_are(table, c, is_id); });
    query_table out;
    out.rows.resize(table.rows.size());
    for (const std::size_t column : order) {
        out.columns.push_back(table.columns[column]);
        for (std::size_t row = 0; row < table.rows.size(); ++row)
            out.rows[row].push_back(table.rows[row][column]);
    }
    return out;
}

} // namespace

query_table readable(query_table table)
{
    const auto change = [&table](std::size_t column, const auto& to) {
        for (auto& row : table.rows) {
            if (!row[column].empty())
                row[column] = to(row[column]);
        }
    };
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
        if (all_are(table, column, is_time))
            change(column, [](const std::string& value) { return value.substr(0, 19); });
        else if (all_are(table, column, is_number))
            change(column, to_thousandth);
        else if (all_are(table, column, interval_seconds))
            change(column,
                   [](const auto& value) { return interval_text(*interval_seconds(value)); });
    }
    return table;
}

narrowed_table narrowed(query_table table, std::size_t width_max)
{
    if (width_max == width_unlimited)
        return {std::move(table), {}, {}};
    narrowed_table out{arranged(table), {}, {}};
    query_table& left = out.table;
    for (std::size_t column = 0; column < left.columns.size() && !fits_well(left, width_max);) {
        if (left.columns.size() > 1 && is_same_in_all(left, column)) {
            out.same.push_back(left.columns[column] + " " + left.rows.front()[column]);
            erase_column(left, column);
        } else {
            ++column;
        }
    }
    while (!fits_well(left, width_max)) {
        const auto column = least_needed(left);
        if (!column)
            break;
        out.left_out.push_back(left.columns[*column]);
        erase_column(left, *column);
    }
    return out;
}

} // namespace gateway
