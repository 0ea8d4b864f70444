// `report`: the views of schema report without a SQL client, as a table to read, or as CSV or JSON
// for the next program. Without a name it says which there are.
#include "gateway/store/report.hpp"

#include "app/commands/commands.hpp"
#include "app/console/did_you_mean.hpp"
#include "app/console/exit_code.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"

#include <algorithm>
#include <cstdio>

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

std::string csv_line(const std::vector<std::string>& cells)
{
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i)
        out += (i == 0 ? "" : ",") + csv_cell(cells[i]);
    return out + "\r\n";
}

std::string csv(const query_table& table)
{
    std::string out = csv_line(table.columns);
    for (const auto& row : table.rows)
        out += csv_line(row);
    return out;
}

// One object a line, all in one array.
std::string json(const query_table& table)
{
    std::string out = "[";
    for (std::size_t i = 0; i < table.rows.size(); ++i)
        out += (i == 0 ? "\n  " : ",\n  ") + table.rows[i].at(0);
    return out + (table.rows.empty() ? "]\n" : "\n]\n");
}

// Text of at most `width` characters a line, every line after `indent` blanks.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width)
{
    std::string out;
    std::size_t used = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        const std::string word = text.substr(at, end - at);
        if (used == 0 || used + 1 + word.size() > width) {
            out += (used == 0 ? "" : "\n") + std::string(indent, ' ') + word;
            used = indent + word.size();
        } else {
            out += " " + word;
            used += 1 + word.size();
        }
        at = end + 1;
    }
    return out + "\n";
}

void print_names(const std::vector<report_name>& reports)
{
    constexpr std::size_t reading_width = 100;
    const std::size_t width = std::min(terminal_width(), reading_width);
    for (const auto& r : reports)
        std::printf("%s\n%s", r.name.c_str(), wrapped(r.meaning, 4, width).c_str());
}

// The name as the catalogue has it; report.x is x.
result<std::string> known_name(const std::vector<report_name>& reports, std::string wanted)
{
    if (wanted.starts_with("report."))
        wanted.erase(0, 7);
    std::vector<std::string> names;
    for (const auto& r : reports)
        names.push_back(r.name);
    if (std::find(names.begin(), names.end(), wanted) != names.end())
        return wanted;
    const std::string guess = nearest(wanted, names);
    return fail(errc::config_invalid, "attentive-gateway report: there is no report " + wanted +
                                          (guess.empty() ? "; attentive-gateway report lists them"
                                                         : ", did you mean " + guess + "?"));
}

std::string listed(const std::vector<std::string>& words)
{
    std::string out;
    for (const auto& word : words)
        out += (out.empty() ? "" : ", ") + word;
    return out;
}

// As much of it as the terminal has room for; what somebody chose is all there.
void print_table(query_table table, bool may_narrow)
{
    const std::size_t width = terminal_width();
    const auto shown =
        may_narrow ? narrowed(std::move(table), width) : narrowed_table{std::move(table), {}, {}};
    std::fputs(to_text(shown.table, width).c_str(), stdout);
    std::fflush(stdout);
    if (!shown.same.empty())
        std::fprintf(stderr, "in all rows: %s\n", printable(listed(shown.same)).c_str());
    if (!shown.left_out.empty())
        std::fprintf(stderr, "left out: %s; --columns a,b,c chooses, --format csv has all\n",
                     listed(shown.left_out).c_str());
}

void print_rows(query_table table, const report_options& options)
{
    const bool more = table.rows.size() > options.limit;
    if (more)
        table.rows.resize(options.limit);
    if (options.format == report_format::csv)
        std::fputs(csv(table).c_str(), stdout);
    else if (options.format == report_format::json)
        std::fputs(json(table).c_str(), stdout);
    else if (table.rows.empty())
        std::printf("no rows\n");
    else
        print_table(readable(std::move(table)), options.columns.empty());
    std::fflush(stdout);
    if (more)
        std::fprintf(stderr, "the newest %zu rows; --limit N shows more\n", options.limit);
}

result<void> report(const report_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_database(options.database));
    const std::string& url = at.database.url;
    BOOST_OUTCOME_TRY(const auto reports, list_reports(url));
    if (options.name.empty()) {
        print_names(reports);
        return boost::outcome_v2::success();
    }
    report_request request;
    BOOST_OUTCOME_TRY(request.name, known_name(reports, options.name));
    request.columns = options.columns;
    request.company = options.company;
    request.since = options.since;
    request.until = options.until;
    request.limit = options.limit + 1; // one more tells that there are more
    request.as_json = options.format == report_format::json;
    BOOST_OUTCOME_TRY(auto rows, read_report(url, request));
    print_rows(std::move(rows), options);
    return boost::outcome_v2::success();
}

} // namespace

int run_report(const report_options& options)
{
    const auto done = report(options);
    return done ? exit_ok : report_failure(done.error());
}

} // namespace gateway
