#include "app/console/table.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace gateway {
namespace {

constexpr std::size_t usual_terminal_width = 80;
constexpr std::size_t key_width_max = 40; // longer words are texts
constexpr std::size_t text_width_min = 8;
constexpr std::size_t text_width_wanted = 40; // columns are left out before a sentence gets less
constexpr std::size_t short_text_width = 16;  // not cut for the sake of other columns
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

// Words, or too long for a key: what may be cut. No number, time or interval is.
bool is_text(const std::string& value)
{
    const bool words = value.find(' ') != std::string::npos &&
                       value.find_first_not_of("0123456789:.-+d ") != std::string::npos;
    return words || characters(value) > key_width_max;
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

std::string ruled_line(const std::vector<std::size_t>& widths)
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

} // namespace

std::string to_text(const query_table& table, std::size_t width_max)
{
    auto widths = widths_of(table, characters);
    if (total_width(widths) > width_max)
        widths = widths_of(table, folded_width);
    cut_texts(table, widths, width_max, std::vector<std::size_t>(widths.size(), text_width_min));
    std::string out = header(table, widths) + ruled_line(widths);
    for (const auto& row : table.rows)
        out += line(row, widths);
    return out;
}

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

bool fits_well(const query_table& table, std::size_t width_max)
{
    auto widths = widths_of(table, folded_width);
    std::vector<std::size_t> wanted;
    for (std::size_t column = 0; column < widths.size(); ++column)
        wanted.push_back(
            std::clamp(usual_width(table, column), short_text_width, text_width_wanted));
    cut_texts(table, widths, width_max, wanted);
    return total_width(widths) <= width_max;
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
