// `report`: the views of schema report without a SQL client, as a table to read, or as CSV or JSON
// for the next program. Without a name it says which there are.
#include "gateway/store/report.hpp"

#include "app/commands/command.hpp"
#include "app/console/columns.hpp"
#include "app/console/csv.hpp"
#include "app/console/did_you_mean.hpp"
#include "app/console/print.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"

#include <algorithm>

namespace gateway {
namespace {

// One object a line, all in one array.
std::string json_of(const query_table& table)
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
        print_out("{}\n{}", r.name, wrapped(r.meaning, 4, width));
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

// As much of it as the terminal has room for; what somebody chose is all there.
void print_table(query_table table, bool may_narrow)
{
    const std::size_t width = terminal_width();
    const auto shown =
        may_narrow ? narrowed(std::move(table), width) : narrowed_table{std::move(table), {}, {}};
    print_text(to_text(shown.table, width));
    std::fflush(stdout);
    if (!shown.same.empty())
        print_error("in all rows: {}\n", printable(fmt::format("{}", fmt::join(shown.same, ", "))));
    if (!shown.left_out.empty())
        print_error("left out: {}; --columns a,b,c chooses, --format csv has all\n",
                    fmt::join(shown.left_out, ", "));
}

struct report_command {
    database_options database;
    report_request wanted; // its `name` is as it was typed, empty: list them
    std::string format = "table";

    void declare(option_list& options)
    {
        declare_database(options, database);
        options.value("NAME", wanted.name, "", "Of a report; without it they are listed");
        options.value("--company", wanted.company, "ID", "Only this company_id");
        declare_time(options, "--since", wanted.since,
                     "Only rows of this day or time (UTC) or later");
        declare_time(options, "--until", wanted.until, "Only rows before this day or time (UTC)");
        options.value("--limit", wanted.limit, "N", "Rows to print, the newest (default: 50)")
            .between<std::uint64_t>(1, 1'000'000);
        options.value("--format", format, "FORMAT", "table, csv or json (default: table)")
            .one_of({"table", "csv", "json"});
        options.values("--columns", wanted.columns, "NAME,...", "Only these, in this order", ',');
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_to_database(database));
        BOOST_OUTCOME_TRY(const auto reports, list_reports(at.database.url));
        if (wanted.name.empty()) {
            print_names(reports);
            return exit_ok;
        }
        auto request = wanted;
        BOOST_OUTCOME_TRY(request.name, known_name(reports, wanted.name));
        request.limit = wanted.limit + 1; // one more tells that there are more
        request.as_json = format == "json";
        BOOST_OUTCOME_TRY(auto rows, read_report(at.database.url, request));
        print_rows(std::move(rows));
        return exit_ok;
    }

    void print_rows(query_table table) const
    {
        const bool more = table.rows.size() > wanted.limit;
        if (more)
            table.rows.resize(wanted.limit);
        if (format == "csv")
            print_text(to_csv(table));
        else if (format == "json")
            print_text(json_of(table));
        else if (table.rows.empty())
            print_out("no rows\n");
        else
            print_table(readable(std::move(table)), wanted.columns.empty());
        std::fflush(stdout);
        if (more)
            print_error("the newest {} rows; --limit N shows more\n", wanted.limit);
    }
};

} // namespace

std::vector<command> report_commands()
{
    return {subcommand<report_command>(
        {"report",
         "[NAME] [--columns NAME,...] [--company ID] [--since TIME] [--until TIME] [--limit N] "
         "[--format FORMAT]",
         "Print one of the reports, or list them",
         R"(
Needs the rights of gateway_reader. Rows come newest first. A table in a terminal leaves
columns out until it fits; elsewhere, and in CSV and JSON, all of them are there.

Examples:
  attentive-gateway report
  attentive-gateway report link_clicks_daily --since 2026-11-01
  attentive-gateway report attributed_orders --format csv > orders.csv
)"})};
}

} // namespace gateway
