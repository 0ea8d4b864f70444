// Tries what an outage would be the first to do: makes a spool file, writes a row, flushes it and
// deletes all again, through SQLite and with the flags of the spool itself. What a directory's mode
// or free space say of it is not enough: SQLite opens files by rules of its own.
#include "gateway/store/spool.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "store/spool/spool_blank.hpp"
#include "store/spool/spool_directory.hpp"
#include "store/spool/spool_file.hpp"
#include "store/spool/spool_files.hpp"

#include <system_error>

#include <unistd.h>

namespace gateway {
namespace {

namespace fs = std::filesystem;

// A gateway that starts just now sweeps unfinished files away, a trial's too.
constexpr int trials_max = 3;

file_result<void> try_file(const fs::path& file, const std::string& vfs)
{
    BOOST_OUTCOME_TRY(create_spool_file(file, vfs));
    BOOST_OUTCOME_TRY(const auto opened, spool_file::open(file, vfs));
    const auto row = stored_delivery::rebuild(
        delivery{"trial", "{}", {}, timestamp{std::chrono::milliseconds{0}}}, "trial");
    return opened->append({&row});
}

file_result<void> try_and_delete(const fs::path& file, const std::string& vfs)
{
    auto done = try_file(file, vfs);
    for (const char* part : {"-wal", "-shm", ""}) {
        const auto deleted = delete_file(file.string() + part, vfs);
        if (done && !deleted)
            done = deleted.error();
    }
    return done;
}

} // namespace

result<void> try_spool_directory(const spool_settings& settings)
{
    const std::string called = "spool directory " + settings.directory.string();
    BOOST_OUTCOME_TRY(const auto directory,
                      canonical_spool_directory(settings.directory, settings.any_file_system));
    // Never a number that a spool gives, and unfinished by its name: after a crash the next start
    // of a gateway sweeps it away.
    const auto file = directory / (spool_file_name(0) + ".new" + std::to_string(::getpid()));
    auto done = try_and_delete(file, settings.vfs);
    for (int i = 1; i < trials_max && !done && done.error().kind != fault_kind::full; ++i)
        done = try_and_delete(file, settings.vfs);
    if (done)
        return ok();
    if (done.error().kind == fault_kind::full)
        return fail(errc::spool_full, called + ": the disk is full (" + done.error().detail + ")");
    return fail(
        errc::spool_failed,
        called + ": no file can be written there (" + done.error().detail +
            "): give it to the gateway's user, on a local disk that is mounted for writing");
}

void spool_files::note_disk(bool takes)
{
    if (disk_takes_.exchange(takes) && !takes)
        keeper_->wake();
}

result<void> spool_files::try_disk()
{
    auto tried = try_spool_directory(settings_);
    note_disk(tried.has_value());
    return tried;
}

} // namespace gateway
