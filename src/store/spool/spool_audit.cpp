// Looks at a spool directory from outside: verify_spool() and export_spool(). Both read the bytes
// of the files themselves and not through SQLite, so they change and lock nothing, and work beside
// a running daemon and on damaged files alike.
#include "gateway/base/digest.hpp"
#include "gateway/store/spool.hpp"
#include "store/spool/spool_blank.hpp"
#include "store/spool/spool_carving.hpp"
#include "store/spool/spool_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace gateway {
namespace {

namespace fs = std::filesystem;

std::string findings(const spool_image& image, const carved_rows& rows)
{
    std::string out;
    const auto add = [&out](const std::string& finding) {
        out += (out.empty() ? "" : "; ") + finding;
    };
    if (const auto fault = structure_fault(committed_view(image)); !fault.empty())
        add(fault);
    if (summarize_wal(image.wal).broken)
        add("its WAL is broken before its end");
    if (!rows.mark_found)
        add("its mark of removed rows is lost");
    if (rows.broken > 0)
        add(std::to_string(rows.broken) + " broken rows");
    if (rows.missing > 0)
        add(std::to_string(rows.missing) + " rows are missing between others");
    return out;
}

result<spool_file_report> report_on(const fs::path& file)
{
    BOOST_OUTCOME_TRY(const auto image, load_image(file, beside::a_writer));
    const carved_rows rows = carve(image);
    spool_file_report out;
    out.file = file.filename().string();
    out.events = rows.rows.size();
    out.bytes = image.database.size() + image.wal.size();
    if (!rows.rows.empty())
        out.oldest = rows.rows.front().content.received_at();
    out.detail = findings(image, rows);
    out.whole = out.detail.empty();
    if (out.whole)
        out.detail = "whole";
    return out;
}

result<spool_listing> list_for_reading(const fs::path& directory)
{
    auto listing = list_spool_directory(directory);
    if (!listing)
        return fail(errc::io_failed, listing.error().detail);
    return listing;
}

// A file is gone when the daemon drained it while we looked at others.
bool gone(const fs::path& file)
{
    std::error_code error;
    return !fs::exists(fs::symlink_status(file, error)) &&
           !fs::exists(fs::symlink_status(file.string() + "-wal", error));
}

std::string shown(timestamp t)
{
    // Beyond the years that RFC 3339 has: the milliseconds themselves.
    constexpr std::chrono::sys_days first{std::chrono::year{1} / 1 / 1};
    constexpr std::chrono::sys_days last{std::chrono::year{9999} / 12 / 31};
    return t >= first && t <= last ? to_string(t) : std::to_string(t.time_since_epoch().count());
}

error io_error(const std::string& what)
{
    const int number = errno;
    return fail(errc::io_failed, what + ": " + std::strerror(number));
}

// A file that was not there before.
class new_file {
public:
    explicit new_file(const fs::path& file)
        : file_{file}, descriptor_{::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                                          S_IRUSR | S_IWUSR)}
    {
    }
    bool is_open() const { return descriptor_ >= 0; }
    ~new_file()
    {
        if (descriptor_ >= 0)
            ::close(descriptor_);
    }
    new_file(const new_file&) = delete;
    new_file& operator=(const new_file&) = delete;

    result<void> write(std::string_view bytes)
    {
        while (!bytes.empty()) {
            const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR)
                continue;
            if (written < 0)
                return io_error(file_.string());
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
        return ok();
    }

    result<void> sync()
    {
        return ::fsync(descriptor_) == 0 ? ok() : result<void>{io_error(file_.string())};
    }

private:
    fs::path file_;
    int descriptor_;
};

std::string export_line(std::uint64_t number, const verified_delivery& d)
{
    std::string out = "{\"n\":" + std::to_string(number) + ",\"endpoint\":";
    append_json_string(out, d.endpoint());
    out += ",\"key_id\":";
    append_json_string(out, d.key_id());
    return out + ",\"received_at\":\"" + shown(d.received_at()) + "\",\"sha256\":\"" +
           to_hex(sha256(d.body())) + "\",\"body\":\"" + to_base64(d.body()) + "\"}\n";
}

} // namespace

result<std::vector<spool_file_report>> verify_spool(const fs::path& directory)
{
    BOOST_OUTCOME_TRY(const auto listing, list_for_reading(directory));
    std::vector<spool_file_report> out;
    for (const auto& name : listing.files) {
        BOOST_OUTCOME_TRY(auto report, report_on(directory / name));
        if (!gone(directory / name))
            out.push_back(std::move(report));
    }
    for (const auto& name : listing.damaged) {
        spool_file_report report;
        report.file = name;
        report.detail = "set aside earlier; what was whole in it is in another file";
        out.push_back(std::move(report));
    }
    return out;
}

result<std::uint64_t> export_spool(const fs::path& directory, const fs::path& to)
{
    BOOST_OUTCOME_TRY(const auto listing, list_for_reading(directory));
    if (::mkdir(to.c_str(), S_IRWXU) != 0)
        return io_error(to.string());
    new_file out{to / "deliveries.jsonl"};
    if (!out.is_open())
        return io_error(to.string());
    std::uint64_t number = 0;
    for (const auto& name : listing.files) {
        BOOST_OUTCOME_TRY(const auto image, load_image(directory / name, beside::a_writer));
        const carved_rows carved = carve(image);
        for (const auto& row : carved.rows) {
            BOOST_OUTCOME_TRY(out.write(export_line(++number, row.content)));
        }
    }
    BOOST_OUTCOME_TRY(out.sync());
    return number;
}

} // namespace gateway
