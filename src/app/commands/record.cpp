// `record`: a file of a shop's own events into the intake, as gateway.record_event takes them one
// by one. While one chunk is recorded the next is read; no more than two are held.
#include "gateway/store/record.hpp"
#include "app/commands/command.hpp"
#include "app/commands/event_lines.hpp"
#include "app/console/csv.hpp"
#include "app/console/csv_reader.hpp"
#include "app/console/interrupts.hpp"
#include "app/console/print.hpp"
#include "app/console/progress_display.hpp"
#include "app/console/table.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <sys/stat.h>
#include <unistd.h>

namespace gateway {
namespace {

constexpr std::size_t chunk_rows_max = 5'000;
constexpr std::size_t chunk_bytes_max = 8U << 20U;

error io_failure(const std::string& name)
{
    return error{errc::io_failed, name + ": " + std::strerror(errno)};
}

// A file, or standard input for "-".
class input_file {
public:
    static result<std::unique_ptr<input_file>> open(const std::filesystem::path& name)
    {
        auto file = std::make_unique<input_file>();
        file->name_ = name == "-" ? "standard input" : name.string();
        if (name != "-")
            file->descriptor_ = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
        struct stat status {};
        if (file->descriptor_ < 0 || ::fstat(file->descriptor_, &status) != 0)
            return io_failure(file->name_);
        if (S_ISDIR(status.st_mode))
            return error{errc::io_failed, file->name_ + ": is a directory"};
        if (S_ISREG(status.st_mode))
            file->bytes_ = static_cast<std::uint64_t>(status.st_size);
        return file;
    }

    input_file() = default;
    ~input_file()
    {
        if (descriptor_ > STDIN_FILENO)
            ::close(descriptor_);
    }
    input_file(const input_file&) = delete;
    input_file& operator=(const input_file&) = delete;

    // A failure ends it as the file's end does, and is told by failure() then.
    std::string read(std::size_t bytes_max)
    {
        std::string block(bytes_max, '\0');
        ssize_t got = 0;
        do {
            got = ::read(descriptor_, block.data(), block.size());
        } while (got < 0 && errno == EINTR);
        if (got < 0)
            failure_ = io_failure(name_);
        block.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        return block;
    }

    const std::string& name() const { return name_; }
    std::uint64_t bytes() const { return bytes_; } // zero: nobody knows
    const std::optional<error>& failure() const { return failure_; }

private:
    std::string name_;
    int descriptor_ = STDIN_FILENO;
    std::uint64_t bytes_ = 0;
    std::optional<error> failure_;
};

// The events of a file, one after the other.
class event_file {
public:
    virtual ~event_file() = default;
    virtual std::optional<event_line> next() = 0; // nothing at its end
    virtual std::uint64_t position() const = 0;
};

class csv_event_file : public event_file {
public:
    csv_event_file(csv_reader reader, event_columns columns)
        : reader_(std::move(reader)), columns_(std::move(columns))
    {
    }

    std::optional<event_line> next() override
    {
        if (!reader_.next(record_))
            return std::nullopt;
        if (!record_.fault.empty())
            return refused_event{record_.line, "", record_.fault};
        return columns_.read(record_.line, record_.cells);
    }
    std::uint64_t position() const override { return reader_.position(); }

private:
    csv_reader reader_;
    event_columns columns_;
    csv_record record_;
};

class json_event_file : public event_file {
public:
    json_event_file(line_reader reader, event_defaults defaults)
        : reader_(std::move(reader)), defaults_(std::move(defaults))
    {
    }

    std::optional<event_line> next() override
    {
        if (!reader_.next(line_))
            return std::nullopt;
        if (!line_.fault.empty())
            return refused_event{line_.line, "", line_.fault};
        return read_json_event(line_.line, line_.text, defaults_);
    }
    std::uint64_t position() const override { return reader_.position(); }

private:
    line_reader reader_;
    event_defaults defaults_;
    text_line line_;
};

struct chunk {
    std::vector<staged_event> events;
    std::vector<refused_event> refused;
    std::uint64_t position = 0; // in the file, behind it
};

chunk read_chunk(event_file& file)
{
    chunk out;
    std::size_t bytes = 0;
    while (out.events.size() + out.refused.size() < chunk_rows_max && bytes < chunk_bytes_max) {
        auto line = file.next();
        if (!line)
            break;
        if (auto* refused = std::get_if<refused_event>(&*line)) {
            out.refused.push_back(std::move(*refused));
            continue;
        }
        auto& event = out.events.emplace_back(std::move(std::get<staged_event>(*line)));
        for (const auto& value : event.values)
            bytes += value ? value->size() : 0;
    }
    out.position = file.position();
    return out;
}

struct totals {
    std::uint64_t recorded = 0;
    std::uint64_t known = 0;
    std::uint64_t refused = 0;

    std::uint64_t lines() const { return recorded + known + refused; }
};

// Where refused lines are told: a file of CSV, or standard error.
class refusals {
public:
    static result<refusals> to(const std::filesystem::path& name)
    {
        refusals out;
        if (!name.empty()) {
            out.file_.reset(std::fopen(name.c_str(), "we"));
            if (!out.file_)
                return io_failure(name.string());
            out.name_ = name.string();
            std::fputs(csv_line({"line", "field", "reason"}).c_str(), out.file_.get());
        }
        return out;
    }

    void tell(const refused_event& r)
    {
        const std::string line = std::to_string(r.line);
        if (file_)
            std::fputs(csv_line({line, r.field, r.reason}).c_str(), file_.get());
        else
            print_error("line {}: {}{}{}\n", line, printable(r.field), r.field.empty() ? "" : ": ",
                        printable(r.reason));
    }

    // All that was told is in the file. Fails with io_failed.
    result<void> flush()
    {
        if (file_ && (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0))
            return io_failure(name_);
        return ok();
    }

private:
    struct closing {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::unique_ptr<std::FILE, closing> file_;
    std::string name_;
};

struct record_command {
    database_options database;
    std::filesystem::path csv;
    std::filesystem::path ndjson;
    std::filesystem::path rejects;
    event_defaults defaults;

    void declare(option_list& options)
    {
        declare_database(options, database);
        options.heading("The file, by one of");
        options.need_one_of(
            {options.value("--csv", csv, "FILE", "CSV with a header line; - for standard input"),
             options.value("--ndjson", ndjson, "FILE", "A JSON object a line; - likewise")});
        options.heading(usual_heading);
        options.value("--rejects", rejects, "FILE",
                      "Tell refused lines there, as CSV, not on standard error");
        options.value("--source", defaults.source, "NAME", "The source of lines without one");
        options.value("--company", defaults.company, "ID", "The company_id of lines without one");
        options.flag("--ignore-unknown", defaults.ignore_unknown,
                     "Pass over columns and members that are none of an event");
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(auto input, input_file::open(csv.empty() ? ndjson : csv));
        const byte_source source = [&input](std::size_t bytes) { return input->read(bytes); };
        BOOST_OUTCOME_TRY(auto file, csv.empty() ? open_ndjson(source) : open_csv(source, *input));
        BOOST_OUTCOME_TRY(auto told, refusals::to(rejects));
        BOOST_OUTCOME_TRY(const auto at, connect_to_database(database));
        event_recorder recorder{at.database.url};
        // The first Ctrl-C ends behind the chunk that is under way.
        catch_interrupts(system_calls::restarted);
        progress_display display{input->bytes()};
        totals sum;
        auto done = record_all(*file, recorder, told, display, sum);
        display.finish();
        if (!done.has_error() && input->failure())
            done = *input->failure();
        print_out("recorded  {}\nknown     {}\nrefused   {}\n", sum.recorded, sum.known,
                  sum.refused);
        std::fflush(stdout);
        if (done.has_error())
            return error{done.error().code,
                         done.error().detail +
                             "; run it again: what was recorded is not recorded twice"};
        return sum.refused > 0 ? exit_refused : exit_ok;
    }

    result<std::unique_ptr<event_file>> open_csv(const byte_source& source,
                                                 const input_file& input) const
    {
        csv_reader reader{source};
        csv_record header;
        if (!reader.next(header))
            return error{errc::config_invalid, input.name() + " has no header"};
        if (!header.fault.empty())
            return error{errc::config_invalid, "the header (line 1): " + header.fault};
        BOOST_OUTCOME_TRY(auto columns, event_columns::of(header.cells, defaults));
        return std::make_unique<csv_event_file>(std::move(reader), std::move(columns));
    }

    result<std::unique_ptr<event_file>> open_ndjson(const byte_source& source) const
    {
        return std::make_unique<json_event_file>(line_reader{source}, defaults);
    }

    // Stops at the first failure; what was recorded before it stays.
    static result<void> record_all(event_file& file, event_recorder& recorder, refusals& told,
                                   progress_display& display, totals& sum)
    {
        auto next = read_chunk(file);
        while (!next.events.empty() || !next.refused.empty()) {
            const chunk now = std::exchange(next, {});
            auto recording =
                std::async(std::launch::async, [&] { return recorder.record(now.events); });
            next = read_chunk(file);
            BOOST_OUTCOME_TRY(auto done, recording.get());
            sum.recorded += done.recorded;
            sum.known += done.known;
            done.refused.insert(done.refused.end(), now.refused.begin(), now.refused.end());
            std::sort(done.refused.begin(), done.refused.end(),
                      [](const auto& a, const auto& b) { return a.line < b.line; });
            sum.refused += done.refused.size();
            if (!done.refused.empty())
                display.finish();
            for (const auto& r : done.refused)
                told.tell(r);
            BOOST_OUTCOME_TRY(told.flush());
            display.show(now.position,
                         fmt::format("{} lines, {} refused", sum.lines(), sum.refused));
            if (was_interrupted())
                return error{errc::io_failed, fmt::format("stopped behind {} lines", sum.lines())};
        }
        return ok();
    }
};

} // namespace

std::vector<command> record_commands()
{
    return {subcommand<record_command>(
        {"record",
         "(--csv FILE | --ndjson FILE) [--source NAME] [--company ID] [--rejects FILE] "
         "[--ignore-unknown]",
         "Record a file of a shop's own events: orders, carts, page views",
         R"(
The fields are those of gateway.record_event: source, event_name, company_id, occurred_at,
identifiers, page_url, order_id, order_value, currency, updated_at, discount_code, items_count.
Identifiers may stand by themselves: email, phone, attentive_external_id, client_user_id,
shopify_id, klaviyo_id, anonymous_id, custom:<name>. An empty cell is none; times name their zone.
Needs the rights of gateway_source. The good lines are recorded, each refused one is told with
its number, field and reason. The same event twice is once: after a failure or a kill run it
again, and the rest is recorded. It returns 3 when lines were refused.

Examples:
  attentive-gateway record --csv orders.csv --source shop --rejects refused.csv
  psql -AtXc 'SELECT to_json(e) FROM shop.events e' | attentive-gateway record --ndjson -
)"})};
}

} // namespace gateway
