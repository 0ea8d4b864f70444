#include "app/console/csv.hpp"

namespace gateway {
namespace {

// RFC 4180: quoted only where it has to be, so that NULL and values look alike in a spreadsheet.
std::string csv_cell(const std::string& text)
{
    if (text.find_first_of(",\"\r\n") == std::string::npos)
        return text;
    std::string out = "\"";
    for (const char c : text) {
        out += c;
        if (c == '"')
            out += c;
    }
    return out + "\"";
}

} // namespace

std::string csv_line(const std::vector<std::string>& cells)
{
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i)
        out += (i == 0 ? "" : ",") + csv_cell(cells[i]);
    return out + "\r\n";
}

std::string to_csv(const query_table& table)
{
    std::string out = csv_line(table.columns);
    for (const auto& row : table.rows)
        out += csv_line(row);
    return out;
}

} // namespace gateway
