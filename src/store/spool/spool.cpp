// The spool, from its promise down to its bytes.
//
// Promise: what append() returned for survives every crash, a full disk and damage to some of it,
// until remove() was called for it. Nothing else is promised: a delivery may come twice, and one
// whose append failed may still come. Whoever drains writes under content keys, where both are
// harmless, and that is what keeps the rest of this simple.
//
// Files: spool-000000000001.db and so on, order of names is order of age. One is appended to; when
// it is full (file_bytes_max) the next is made, and a thread moves it out of its WAL. Reading
// begins at the oldest. A file that is drained goes as a whole: nothing is deleted inside of one,
// so that appending stays appending, space returns, and damage is easy to see. A file's whole life
// is in its name (spool_directory.hpp).
//
// Within a file (spool_file.hpp, spool_blank.cpp): SQLite in WAL mode, synchronous = FULL, rows
// numbered from 1 without gaps, each with a SHA-256 over its columns and its number, and a mark up
// to which rows were removed, with a digest too. So the numbers of the last row and of the mark say
// how many wait, without reading any, and a row is either whole or known not to be, wherever it is
// found.
//
// Invariants:
// - One transaction is one batch: the spooler's thread gathers what queued meanwhile. Two who
//   append take turns.
// - After a failed write or fsync a file is never written again ("sealed"): the kernel may have
//   dropped the pages, and a second fsync would say that all is well. The batch goes from memory
//   into a fresh file.
// - Salvage writes the new file first and renames the damaged one then: a crash in between gives
//   rows twice, never none. A damaged file is kept as evidence, and counts against no limit.
// - The mark may lag behind what was removed (a disk that is full or failing), never run ahead.
// - A file that cannot be opened just now (descriptors, memory, rights) is not damaged; only its
//   bytes can say that.
//
// Tried and left: checkpoints within append(), as SQLite makes them by itself, hold up the batch
// that meets one; hence the thread. To ask SQLite for what is whole in a damaged file: it refuses
// all of it for one bad page, and cuts a WAL off at its first flipped bit; hence spool_carving.cpp,
// which reads pages without it. A second queue here, in which callers that waited for each other
// shared a transaction: the spooler had gathered already, and no two ever met.
#include "gateway/store/spool.hpp"
#include "store/spool/spool_directory.hpp"
#include "store/spool/spool_files.hpp"
#include "store/spool/spool_image.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace gateway {
namespace {

using deliveries_view = std::vector<const verified_delivery*>;

constexpr int read_passes_max = 3;

// Disk bytes that one transaction costs at most: leaves may be half empty, and every page is
// written to the WAL with the path above it.
std::uint64_t bytes_needed(std::uint64_t payload)
{
    return 2 * payload + 8 * spool_page_bytes;
}

std::uint64_t payload_of(const deliveries_view& deliveries)
{
    constexpr std::uint64_t row_overhead = 96; // checksum, numbers, cell
    std::uint64_t bytes = 0;
    for (const verified_delivery* d : deliveries)
        bytes += d->body().size() + d->endpoint().size() + d->key_id().size() + row_overhead;
    return bytes;
}

error to_error(const file_fault& f)
{
    return fail(f.kind == fault_kind::full ? errc::spool_full : errc::spool_failed,
                "spool: " + f.detail);
}

} // namespace

struct spool::implementation {
    implementation(const spool_settings& s, spool_directory d)
        : event_bytes_max(s.event_bytes_max), files{s, std::move(d)}
    {
    }

    result<void> append(const deliveries_view& deliveries);
    result<void> write_twice(const deliveries_view& deliveries);
    file_result<void> write(const deliveries_view& deliveries);
    result<spool_batch> read(std::size_t events_max, std::size_t bytes_max);
    file_result<spool_batch> read_from(spool_member& m, std::size_t events_max,
                                       std::size_t bytes_max);
    void remove(const spool_batch& batch);
    bool has_room() const;

    const std::uint64_t event_bytes_max;
    spool_files files;
    std::mutex appending; // one at a time; taken before a member's `io`
};

result<void> spool::implementation::append(const deliveries_view& deliveries)
{
    if (deliveries.empty())
        return ok();
    const std::lock_guard turn{appending};
    if (!files.fits(bytes_needed(payload_of(deliveries))))
        return fail(errc::spool_full, "spool: bytes_max is reached");
    return write_twice(deliveries);
}

// The second time only where it may help.
result<void> spool::implementation::write_twice(const deliveries_view& deliveries)
{
    auto written = write(deliveries);
    // The pages of a failed fsync are lost, whatever a second fsync of them says: only the copy
    // in memory counts, and it goes to another file.
    if (!written && written.error().kind != fault_kind::full)
        written = write(deliveries);
    files.note_disk(written.has_value());
    if (written)
        return ok();
    return to_error(written.error());
}

file_result<void> spool::implementation::write(const deliveries_view& deliveries)
{
    for (;;) {
        BOOST_OUTCOME_TRY(const auto m, files.appendable());
        const std::lock_guard io{m->io};
        if (m->gone || !m->writable)
            continue; // drained or sealed since: it is no longer the current one
        auto written = files.ensure_open(*m);
        if (written)
            written = m->file->append(deliveries);
        if (written) {
            files.note_append(*m, deliveries.front()->received_at());
            return written;
        }
        if (written.error().kind != fault_kind::full)
            files.seal(*m, written.error());
        files.measure(*m);
        return written;
    }
}

// A file that fails is passed over: what follows it is not held up. Salvage makes a new file,
// which the next pass finds.
result<spool_batch> spool::implementation::read(std::size_t events_max, std::size_t bytes_max)
{
    std::optional<file_fault> fault;
    for (int pass = 0; pass < read_passes_max && events_max > 0; ++pass) {
        bool salvaged = false;
        for (const auto& m : files.by_age()) {
            const std::lock_guard io{m->io};
            if (m->gone || !files.worth_reading(*m))
                continue;
            if (m->damaged) {
                salvaged = files.salvage(*m) || salvaged;
                continue;
            }
            auto batch = read_from(*m, events_max, bytes_max);
            if (batch && !batch.value().deliveries.empty())
                return std::move(batch).value();
            if (!batch && files.note_fault(*m, batch.error()))
                salvaged = files.salvage(*m) || salvaged;
            if (!batch)
                fault = batch.error();
        }
        if (!salvaged && fault)
            return fail(errc::spool_failed, "spool: " + fault->detail);
        if (!salvaged)
            break;
    }
    return spool_batch{};
}

file_result<spool_batch> spool::implementation::read_from(spool_member& m, std::size_t events_max,
                                                          std::size_t bytes_max)
{
    BOOST_OUTCOME_TRY(files.ensure_open(m));
    const std::int64_t mark = files.mark_of(m);
    spool_batch batch;
    BOOST_OUTCOME_TRY(batch.deliveries,
                      m.file->read(mark, events_max, std::max<std::size_t>(bytes_max, 1)));
    m.read_failures = 0;
    batch.file = m.name;
    batch.first = mark + 1;
    batch.last = mark + static_cast<std::int64_t>(batch.deliveries.size());
    return batch;
}

void spool::implementation::remove(const spool_batch& batch)
{
    const auto m = files.find(batch.file);
    if (m == nullptr)
        return;
    {
        const std::lock_guard io{m->io};
        if (m->gone || m->damaged)
            return; // what was salvaged comes once more, from another file
        files.remove_to(*m, batch.last);
    }
    files.sweep();
}

bool spool::implementation::has_room() const
{
    const std::uint64_t bytes = bytes_needed(event_bytes_max);
    return files.disk_takes() && files.fits(bytes) && files.bytes_free() >= bytes;
}

// --- The class ---

spool::spool(std::unique_ptr<implementation> i) : implementation_{std::move(i)} {}
spool::spool(spool&&) noexcept = default;
spool& spool::operator=(spool&&) noexcept = default;
spool::~spool() = default;

result<spool> spool::open(const spool_settings& settings)
{
    BOOST_OUTCOME_TRY(auto directory,
                      spool_directory::open(settings.directory, settings.any_file_system));
    auto made = std::make_unique<implementation>(settings, std::move(directory));
    BOOST_OUTCOME_TRY(made->files.take_in());
    return spool{std::move(made)};
}

result<void> spool::append(const std::vector<const verified_delivery*>& deliveries)
{
    return implementation_->append(deliveries);
}

result<spool_batch> spool::read(std::size_t events_max, std::size_t bytes_max)
{
    return implementation_->read(events_max, bytes_max);
}

result<void> spool::remove(const spool_batch& batch)
{
    implementation_->remove(batch);
    return ok();
}

spool_status spool::status() const
{
    return implementation_->files.status();
}

result<void> spool::try_disk()
{
    return implementation_->files.try_disk();
}

bool spool::has_room() const
{
    return implementation_->has_room();
}

} // namespace gateway
