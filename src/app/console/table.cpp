#include "app/console/table.hpp"

#include "gateway/base/uuid.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <vector>

namespace gateway {
namespace {

constexpr std::size_t usual_terminal_width = 80;
constexpr std::size_t key_width_max = 40; // longer words are texts
constexpr std::size_t text_width_min = 8;
constexpr std::size_t text_width_wanted = 40; // columns are left out before a sentence gets less
constexpr std::size_t sentence_width_min = 30;
constexpr std::size_t short_text_width = 16; // not cut for the sake of other columns
constexpr std::string_view gap = "  ";

bool starts_character(char c)
{
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; // not a UTF-8 continuation byte
}

std::size_t characters(const std::string& text)
{
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

// `text` in exactly `width` characters: cut, or filled with blanks.
std::string fitted(const std::string& text, std::size_t width)
{
    const std::size_t length = characters(text);
    if (length <= width)
        return text + std::string(width - length, ' ');
    std::size_t end = 0;
    for (std::size_t left = width - 1; end < text.size(); ++end) {
        if (starts_character(text[end]) && left-- == 0)
            break;
    }
    return text.substr(0, end) + "…";
}

// A name in lines of at most `width` characters, broken behind underscores where that is possible.
std::vector<std::string> folded(const std::string& name, std::size_t width)
{
    std::vector<std::string> lines{""};
    for (std::size_t at = 0; at < name.size();) {
        const auto underscore = name.find('_', at);
        const auto end = underscore == std::string::npos ? name.size() : underscore + 1;
        if (!lines.back().empty() && characters(lines.back()) + (end - at) > width)
            lines.emplace_back();
        lines.back() += name.substr(at, end - at);
        at = end;
    }
    return lines;
}

// The least width that `name` can be folded to.
std::size_t folded_width(const std::string& name)
{
    std::size_t width = 0;
    for (const std::string& line : folded(name, 0))
        width = std::max(width, characters(line));
    return width;
}

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

// Words, or too long for a key: what may be cut. No number, time or interval is.
bool is_text(const std::string& value)
{
    const bool words = value.find(' ') != std::string::npos &&
                       value.find_first_not_of("0123456789:.-+d ") != std::string::npos;
    return words || characters(value) > key_width_max;
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
    char out[64];
    const long all = std::abs(seconds);
    const long days = all / 86'400;
    const char* const sign = seconds < 0 ? "-" : "";
    if (days < 2)
        std::snprintf(out, sizeof out, "%s%02ld:%02ld:%02ld", sign, all / 3'600, all / 60 % 60,
                      all % 60);
    else
        std::snprintf(out, sizeof out, "%s%ld d %02ld:%02ld", sign, days, all / 3'600 % 24,
                      all / 60 % 60);
    return out;
}

std::string to_thousandth(const std::string& number)
{
    const auto point = number.find('.');
    if (point == std::string::npos || number.size() - point <= 4)
        return number;
    char out[64];
    std::snprintf(out, sizeof out, "%.3Lf", std::strtold(number.c_str(), nullptr));
    return out;
}

// By their values, or 0 where there is none, so that the column is left out; `name_width` says how
// narrow a name may be.
std::vector<std::size_t> widths_of(const query_table& table,
                                   std::size_t (*name_width)(const std::string&))
{
    std::vector<std::size_t> widths(table.columns.size(), 0);
    for (std::size_t column = 0; column < widths.size(); ++column) {
        for (const auto& row : table.rows)
            widths[column] = std::max(widths[column], characters(row[column]));
        if (widths[column] > 0)
            widths[column] = std::max(widths[column], name_width(table.columns[column]));
    }
    return widths;
}

std::size_t total_width(const std::vector<std::size_t>& widths)
{
    const auto shown = std::count_if(widths.begin(), widths.end(), [](auto w) { return w > 0; });
    const auto gaps = shown > 0 ? static_cast<std::size_t>(shown - 1) * gap.size() : 0;
    return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + gaps;
}

std::vector<bool> texts_of(const query_table& table)
{
    std::vector<bool> texts(table.columns.size());
    for (std::size_t column = 0; column < texts.size(); ++column)
        texts[column] = std::any_of(table.rows.begin(), table.rows.end(),
                                    [column](const auto& row) { return is_text(row[column]); });
    return texts;
}

// What a text of the column has on the average, rounded up.
std::size_t usual_width(const query_table& table, std::size_t column)
{
    std::size_t sum = 0;
    std::size_t values = 1;
    for (const auto& row : table.rows) {
        sum += characters(row[column]);
        values += row[column].empty() ? 0U : 1U;
    }
    return sum / values + 1;
}

// Takes from the widest text until all fits, or until each has the least that it may have.
void cut_texts(const query_table& table, std::vector<std::size_t>& widths, std::size_t width_max,
               const std::vector<std::size_t>& least)
{
    const auto texts = texts_of(table);
    while (total_width(widths) > width_max) {
        std::size_t widest = widths.size();
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const auto floor = std::max(least[i], folded_width(table.columns[i]));
            if (texts[i] && widths[i] > floor &&
                (widest == widths.size() || widths[i] > widths[widest]))
                widest = i;
        }
        if (widest == widths.size())
            return;
        --widths[widest];
    }
}

std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths)
{
    std::string out;
    for (std::size_t column = 0; column < cells.size(); ++column) {
        if (widths[column] == 0)
            continue;
        if (column > 0 && !out.empty())
            out += gap;
        out += fitted(printable(cells[column]), widths[column]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out + "\n";
}

// Each name in as many lines as its column's width takes, all ending on the last one.
std::string header(const query_table& table, const std::vector<std::size_t>& widths)
{
    std::vector<std::vector<std::string>> names;
    std::size_t lines = 1;
    for (std::size_t column = 0; column < widths.size(); ++column) {
        names.push_back(widths[column] == 0 ? std::vector<std::string>{""}
                                            : folded(table.columns[column], widths[column]));
        lines = std::max(lines, names.back().size());
    }
    std::string out;
    for (std::size_t n = 0; n < lines; ++n) {
        std::vector<std::string> cells;
        for (const auto& name : names)
            cells.push_back(n + name.size() < lines ? "" : name[n + name.size() - lines]);
        out += line(cells, widths);
    }
    return out;
}

std::string rule(const std::vector<std::size_t>& widths)
{
    std::string out;
    for (const std::size_t width : widths) {
        if (width == 0)
            continue;
        out += out.empty() ? "" : std::string{gap};
        for (std::size_t i = 0; i < width; ++i)
            out += "─";
    }
    return out + "\n";
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

bool fits(const query_table& table, std::size_t width_max)
{
    auto widths = widths_of(table, folded_width);
    std::vector<std::size_t> wanted;
    for (std::size_t column = 0; column < widths.size(); ++column)
        wanted.push_back(
            std::clamp(usual_width(table, column), short_text_width, text_width_wanted));
    cut_texts(table, widths, width_max, wanted);
    return total_width(widths) <= width_max;
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

std::string to_text(const query_table& table, std::size_t width_max)
{
    auto widths = widths_of(table, characters);
    if (total_width(widths) > width_max)
        widths = widths_of(table, folded_width);
    cut_texts(table, widths, width_max, std::vector<std::size_t>(widths.size(), text_width_min));
    std::string out = header(table, widths) + rule(widths);
    for (const auto& row : table.rows)
        out += line(row, widths);
    return out;
}

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
    for (std::size_t column = 0; column < left.columns.size() && !fits(left, width_max);) {
        if (left.columns.size() > 1 && is_same_in_all(left, column)) {
            out.same.push_back(left.columns[column] + " " + left.rows.front()[column]);
            erase_column(left, column);
        } else {
            ++column;
        }
    }
    while (!fits(left, width_max)) {
        const auto column = least_needed(left);
        if (!column)
            break;
        out.left_out.push_back(left.columns[*column]);
        erase_column(left, *column);
    }
    return out;
}

std::string printable(std::string text)
{
    for (char& c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            c = ' ';
    }
    return text;
}

std::size_t terminal_width()
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    if (const char* const columns = std::getenv("COLUMNS")) {
        const long width = std::strtol(columns, nullptr, 10);
        if (width > 0)
            return static_cast<std::size_t>(width);
    }
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        return size.ws_col > 0 ? size.ws_col : usual_terminal_width;
    return width_unlimited;
}

} // namespace gateway
