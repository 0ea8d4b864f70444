#include "gateway/app/table.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace gateway {
namespace {

constexpr std::size_t width_without_terminal = 160;
constexpr std::size_t column_width_min = 8;
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

std::vector<std::size_t> widths_of(const query_table& table)
{
    std::vector<std::size_t> widths(table.columns.size(), 0);
    for (std::size_t column = 0; column < widths.size(); ++column) {
        for (const auto& row : table.rows)
            widths[column] = std::max(widths[column], characters(row[column]));
        if (widths[column] > 0)
            widths[column] = std::max(widths[column], characters(table.columns[column]));
    }
    return widths;
}

std::size_t total_width(const std::vector<std::size_t>& widths)
{
    const auto shown = std::count_if(widths.begin(), widths.end(), [](auto w) { return w > 0; });
    const auto gaps = shown > 0 ? static_cast<std::size_t>(shown - 1) * gap.size() : 0;
    return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + gaps;
}

void narrow(std::vector<std::size_t>& widths, std::size_t width_max)
{
    while (total_width(widths) > width_max) {
        const auto widest = std::max_element(widths.begin(), widths.end());
        if (*widest <= column_width_min)
            return;
        --*widest;
    }
}

std::string line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths)
{
    std::string out;
    for (std::size_t column = 0; column < cells.size(); ++column) {
        if (widths[column] == 0)
            continue;
        if (!out.empty())
            out += gap;
        out += fitted(printable(cells[column]), widths[column]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out + "\n";
}

} // namespace

std::string to_text(const query_table& table, std::size_t width_max)
{
    auto widths = widths_of(table);
    narrow(widths, width_max);
    std::string out = line(table.columns, widths);
    std::string rule;
    for (const std::size_t width : widths) {
        if (width > 0) {
            rule += rule.empty() ? "" : std::string{gap};
            for (std::size_t i = 0; i < width; ++i)
                rule += "─";
        }
    }
    out += rule + "\n";
    for (const auto& row : table.rows)
        out += line(row, widths);
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
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return width_without_terminal;
}

} // namespace gateway
