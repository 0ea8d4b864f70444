#include "gateway/store/spool.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/worker.hpp"

#include "store/spool/spool_directory.hpp"
#include "store/spool/spool_file.hpp"
#include "store/spool/spool_image.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;
using deliveries_view = std::vector<const verified_delivery*>;

// What calls that wait for each other may put into one transaction.
constexpr std::size_t group_events_max = 4'096;
constexpr std::uint64_t group_bytes_max = 8U << 20U;
// Rows a salvage writes in one transaction.
constexpr std::size_t salvage_events = 1'000;
// How long open() may salvage; the rest is done when read() comes to it.
constexpr std::chrono::seconds open_salvage_budget{1};
// A salvage that failed (a full disk, mostly) is tried again after the first of these, then after
// twice as long each time, up to the second.
constexpr std::chrono::seconds salvage_pause_min{5};
constexpr std::chrono::seconds salvage_pause_max{600};
// A file whose bytes the disk refuses that often in a row is taken as damaged.
constexpr int read_failures_max = 3;
constexpr int read_passes_max = 3;
// No room is announced for so long after neither file took a batch.
constexpr std::chrono::seconds failure_pause{1};

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

// One file of the spool. Shared between the map of files and whoever works on the file just now,
// who may find it `gone` by the time he holds `io`.
struct member {
    explicit member(std::string n) : name{std::move(n)} {}

    const std::string name;
    std::mutex io; // one call on `file` at a time; taken before the spool's own mutex
    // By `io`:
    std::unique_ptr<spool_file> file; // null until needed
    bool gone = false;                // drained or set aside
    bool writable = true;             // false after a failed write: what is there is only read
    int read_failures = 0;
    steady::time_point salvage_after{};
    std::chrono::seconds salvage_pause = salvage_pause_min;
    // By the spool's mutex:
    std::int64_t mark = 0; // ahead of the file's own when that could not be written
    std::int64_t last = 0;
    std::optional<timestamp> oldest;
    std::uint64_t bytes = 0;
    std::uint64_t growth = 0;
    bool unknown = false; // could not be opened yet: nobody knows what is in it
    bool damaged = false; // to be salvaged

    std::uint64_t events() const { return static_cast<std::uint64_t>(last - mark); }
    bool worth_reading() const { return damaged || unknown || last > mark; }
};

using member_ptr = std::shared_ptr<member>;

error to_error(const file_fault& f)
{
    return fail(f.kind == fault_kind::full ? errc::spool_full : errc::spool_failed,
                "spool: " + f.detail);
}

} // namespace

struct spool::implementation {
    implementation(spool_settings s, spool_directory d)
        : settings{std::move(s)}, directory{std::move(d)}
    {
    }
    ~implementation();

    result<void> take_in();
    void start_keeper()
    {
        keeper.emplace("spool keeper", [this](worker& self) { keep(self); });
    }

    result<void> append(const deliveries_view& deliveries);
    result<spool_batch> read(std::size_t events_max, std::size_t bytes_max);
    void remove(const spool_batch& batch);
    spool_status status() const;
    bool has_room() const;

private:
    // One call of append() while it waits to be written with others.
    struct request {
        const deliveries_view* deliveries;
        std::uint64_t payload;
        std::optional<result<void>> outcome;
    };

    // Appending; only the request at the head of the queue does it.
    std::vector<request*> next_group();
    result<void> write(const deliveries_view& deliveries, std::uint64_t payload);
    file_result<void> write_once(const deliveries_view& deliveries);
    file_result<member_ptr> appendable();
    file_result<member_ptr> create(const std::vector<spool_row>& rows);
    file_result<void> fill(const std::string& name, const std::vector<spool_row>& rows);
    void seal(member& m, const file_fault& why);

    // On one file, whose `io` the caller holds.
    file_result<void> ensure_open(member& m);
    void measure(member& m);
    file_result<spool_batch> read_from(member& m, std::size_t events_max, std::size_t bytes_max);
    bool note_fault(member& m, const file_fault& f);
    void move_mark(member& m, std::int64_t to);
    void drop_if_drained(member& m);
    void drop(member& m);
    bool salvage(member& m);
    bool salvage_rows(member& m);
    bool set_aside(member& m, const carved_rows& rows);

    void take_in_file(const std::string& name);
    void sweep();
    std::vector<member_ptr> by_age() const;
    bool worth_reading(const member& m) const;
    bool fits(std::uint64_t bytes) const;
    void keep(worker& self);
    member_ptr next_closed();
    void checkpoint(member& m);

    const spool_settings settings;
    const spool_directory directory;

    std::mutex queue_mutex;
    std::condition_variable queue_moved;
    std::deque<request*> queue;

    mutable std::mutex mutex; // what follows, and the members' counts
    std::map<std::string, member_ptr> members;
    member_ptr current; // the one that is appended to; it is a member too
    std::uint64_t sequence_next = 1;
    std::vector<std::string> damaged;
    std::deque<member_ptr> closed; // for the keeper

    std::atomic<steady::time_point> no_room_before{steady::time_point{}};
    std::optional<worker> keeper;
};

// --- Start and end ---

spool::implementation::~implementation()
{
    keeper.reset();
    // Leaves a WAL behind only where it has to: the next start is quicker, and damage shows less.
    if (current != nullptr) {
        const std::lock_guard io{current->io};
        checkpoint(*current);
    }
}

result<void> spool::implementation::take_in()
{
    BOOST_OUTCOME_TRY(auto listing, list_spool_directory(directory.path()));
    sequence_next = listing.sequence_last + 1;
    damaged = std::move(listing.damaged);
    for (const auto& name : listing.leftovers) {
        if (const auto deleted = delete_file(directory / name, settings.vfs); !deleted) {
            write_log(severity::warn, "spool_file_not_deleted",
                      "spool: {file.name} is drained but not deleted: {error.message}",
                      {{"file.name", name}, {"error.message", deleted.error().detail}});
            break; // a WAL must not outlive the name that says it is drained
        }
    }
    for (const auto& name : listing.files)
        take_in_file(name);
    const auto give_up = steady::now() + open_salvage_budget;
    for (const auto& m : by_age()) {
        const std::lock_guard io{m->io};
        if (m->damaged && steady::now() < give_up)
            salvage(*m);
    }
    sweep();
    return ok();
}

// Opens the file once, to count and to check it, and closes it again: only the one that is being
// drained needs a connection.
void spool::implementation::take_in_file(const std::string& name)
{
    auto m = std::make_shared<member>(name);
    const std::lock_guard io{m->io};
    m->unknown = true;
    members.emplace(name, m);
    if (const auto opened = ensure_open(*m); !opened)
        note_fault(*m, opened.error());
    measure(*m);
    std::error_code none;
    const bool has_wal = fs::file_size(directory / (name + "-wal"), none) > 0 && !none;
    m->file.reset();
    if (has_wal && !m->damaged)
        closed.push_back(m);
}

// --- Appending ---

// The head of the queue writes for as many behind it as fit into one transaction, and takes them
// off the queue only then: so it stays the head, and nobody else writes.
result<void> spool::implementation::append(const deliveries_view& deliveries)
{
    if (deliveries.empty())
        return ok();
    request own{&deliveries, payload_of(deliveries), std::nullopt};
    std::unique_lock lock{queue_mutex};
    queue.push_back(&own);
    queue_moved.wait(lock, [&] { return own.outcome.has_value() || queue.front() == &own; });
    if (own.outcome)
        return *own.outcome;

    const auto group = next_group();
    lock.unlock();
    deliveries_view together;
    std::uint64_t payload = 0;
    for (const request* r : group) {
        together.insert(together.end(), r->deliveries->begin(), r->deliveries->end());
        payload += r->payload;
    }
    const auto outcome = write(together, payload);
    lock.lock();
    for (request* r : group) {
        r->outcome = outcome;
        queue.pop_front();
    }
    queue_moved.notify_all();
    return outcome;
}

std::vector<spool::implementation::request*> spool::implementation::next_group()
{
    std::vector<request*> group;
    std::size_t events = 0;
    std::uint64_t payload = 0;
    for (request* r : queue) {
        events += r->deliveries->size();
        payload += r->payload;
        const bool too_much =
            events > group_events_max || payload > group_bytes_max || !fits(bytes_needed(payload));
        if (!group.empty() && too_much)
            break;
        group.push_back(r);
    }
    return group;
}

result<void> spool::implementation::write(const deliveries_view& deliveries, std::uint64_t payload)
{
    if (!fits(bytes_needed(payload)))
        return fail(errc::spool_full, "spool: bytes_max is reached");
    auto written = write_once(deliveries);
    // The pages of a failed fsync are lost, whatever a second fsync of them says: only the copy
    // in memory counts, and it goes to another file.
    if (!written && written.error().kind != fault_kind::full)
        written = write_once(deliveries);
    if (written)
        return ok();
    if (written.error().kind != fault_kind::full)
        no_room_before = steady::now() + failure_pause;
    return to_error(written.error());
}

file_result<void> spool::implementation::write_once(const deliveries_view& deliveries)
{
    for (;;) {
        BOOST_OUTCOME_TRY(const auto m, appendable());
        const std::lock_guard io{m->io};
        if (m->gone || !m->writable)
            continue; // drained or sealed since: it is no longer the current one
        auto written = ensure_open(*m);
        if (written)
            written = m->file->append(deliveries);
        if (!written && written.error().kind != fault_kind::full)
            seal(*m, written.error());
        if (!written) {
            measure(*m);
            return written;
        }
        const std::lock_guard lock{mutex};
        if (m->last == m->mark)
            m->oldest = deliveries.front()->received_at();
        m->last = m->file->last();
        m->bytes = directory.bytes_of(m->name);
        m->growth = m->file->growth();
        return ok();
    }
}

file_result<member_ptr> spool::implementation::appendable()
{
    {
        const std::lock_guard lock{mutex};
        if (current != nullptr && current->bytes + current->growth < settings.file_bytes_max)
            return current;
        if (current != nullptr) {
            closed.push_back(std::exchange(current, nullptr));
            keeper->wake();
        }
    }
    BOOST_OUTCOME_TRY(auto made, create({}));
    const std::lock_guard lock{mutex};
    current = made;
    return made;
}

// A file comes into being under another name, so that a half-made one is never taken for damaged.
file_result<member_ptr> spool::implementation::create(const std::vector<spool_row>& rows)
{
    std::string name;
    {
        const std::lock_guard lock{mutex};
        name = spool_file_name(sequence_next++);
    }
    const std::string unfinished = name + ".new";
    auto done = fill(unfinished, rows);
    if (done && !directory.rename(unfinished, name))
        done = file_fault{fault_kind::failed, "rename: " + std::string{std::strerror(errno)}};
    auto m = std::make_shared<member>(name);
    const std::lock_guard io{m->io};
    if (done)
        done = ensure_open(*m);
    if (!done) {
        m->file.reset();
        for (const auto& leftover : {unfinished + "-wal", unfinished, name + "-wal", name})
            (void)delete_file(directory / leftover, settings.vfs).has_value();
        return done.error();
    }
    measure(*m);
    if (!rows.empty())
        m->file.reset(); // to be read in its turn
    const std::lock_guard lock{mutex};
    members.emplace(name, m);
    return m;
}

file_result<void> spool::implementation::fill(const std::string& name,
                                              const std::vector<spool_row>& rows)
{
    BOOST_OUTCOME_TRY(create_spool_file(directory / name, settings.vfs));
    if (rows.empty())
        return ok();
    {
        BOOST_OUTCOME_TRY(const auto file, spool_file::open(directory / name, settings.vfs));
        deliveries_view chunk;
        for (const auto& row : rows) {
            chunk.push_back(&row.content);
            if (chunk.size() == salvage_events || &row == &rows.back()) {
                BOOST_OUTCOME_TRY(file->append(chunk));
                chunk.clear();
            }
        }
        BOOST_OUTCOME_TRY(file->checkpoint());
    }
    return delete_file(directory / (name + "-wal"), settings.vfs);
}

// What the file has committed stays readable, by the connection that is open; nothing more is
// ever written to it.
void spool::implementation::seal(member& m, const file_fault& why)
{
    m.writable = false;
    write_log(severity::error, "spool_file_sealed",
              "spool: {file.name} takes no more: {error.message}",
              {{"file.name", m.name}, {"error.message", why.detail}});
    const std::lock_guard lock{mutex};
    if (m.file != nullptr)
        m.last = std::max(m.last, m.file->last()); // the batch in doubt, too
    if (current.get() == &m)
        current = nullptr;
}

// --- One file ---

file_result<void> spool::implementation::ensure_open(member& m)
{
    if (m.file != nullptr)
        return ok();
    BOOST_OUTCOME_TRY(auto file, spool_file::open(directory / m.name, settings.vfs));
    std::int64_t mark = 0;
    {
        const std::lock_guard lock{mutex};
        if (file->last() < m.last)
            return file_fault{fault_kind::damaged, "has fewer rows than before"};
        m.last = file->last();
        m.mark = std::max(m.mark, file->mark());
        m.unknown = false;
        mark = m.mark;
    }
    const auto oldest = mark < file->last() ? file->received_at(mark + 1) : std::nullopt;
    const std::lock_guard lock{mutex};
    m.oldest = oldest;
    m.file = std::move(file);
    return ok();
}

void spool::implementation::measure(member& m)
{
    const std::uint64_t bytes = directory.bytes_of(m.name);
    const std::uint64_t growth = m.file == nullptr ? 0 : m.file->growth();
    const std::lock_guard lock{mutex};
    m.bytes = bytes;
    m.growth = growth;
}

// True when the file is to be salvaged now.
bool spool::implementation::note_fault(member& m, const file_fault& f)
{
    const bool damage = f.kind == fault_kind::damaged || (f.kind == fault_kind::unreadable &&
                                                          ++m.read_failures >= read_failures_max);
    if (damage)
        write_log(severity::error, "spool_file_damaged",
                  "spool: {file.name} is damaged: {error.message}",
                  {{"file.name", m.name}, {"error.message", f.detail}});
    else
        write_log(severity::warn, "spool_file_unreadable",
                  "spool: {file.name} cannot be read: {error.message}",
                  {{"file.name", m.name}, {"error.message", f.detail}});
    m.file.reset(); // the next try begins afresh
    m.writable = m.writable && !damage;
    const std::lock_guard lock{mutex};
    m.damaged = m.damaged || damage;
    if (current.get() == &m)
        current = nullptr; // nothing new goes where the old cannot be read
    return damage;
}

// --- Draining ---

// A file that fails is passed over: what follows it is not held up. Salvage makes a new file,
// which the next pass finds.
result<spool_batch> spool::implementation::read(std::size_t events_max, std::size_t bytes_max)
{
    std::optional<file_fault> fault;
    for (int pass = 0; pass < read_passes_max && events_max > 0; ++pass) {
        bool salvaged = false;
        for (const auto& m : by_age()) {
            const std::lock_guard io{m->io};
            if (m->gone || !worth_reading(*m))
                continue;
            if (m->damaged) {
                salvaged = salvage(*m) || salvaged;
                continue;
            }
            auto batch = read_from(*m, events_max, bytes_max);
            if (batch && !batch.value().deliveries.empty())
                return std::move(batch).value();
            if (!batch && note_fault(*m, batch.error()))
                salvaged = salvage(*m) || salvaged;
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

file_result<spool_batch> spool::implementation::read_from(member& m, std::size_t events_max,
                                                          std::size_t bytes_max)
{
    BOOST_OUTCOME_TRY(ensure_open(m));
    spool_batch batch;
    batch.file = m.name;
    std::int64_t mark = 0;
    {
        const std::lock_guard lock{mutex};
        mark = m.mark;
    }
    BOOST_OUTCOME_TRY(batch.deliveries,
                      m.file->read(mark, events_max, std::max<std::size_t>(bytes_max, 1)));
    m.read_failures = 0;
    batch.first = mark + 1;
    batch.last = mark + static_cast<std::int64_t>(batch.deliveries.size());
    return batch;
}

void spool::implementation::remove(const spool_batch& batch)
{
    member_ptr m;
    {
        const std::lock_guard lock{mutex};
        const auto found = members.find(batch.file);
        if (found == members.end())
            return;
        m = found->second;
    }
    {
        const std::lock_guard io{m->io};
        if (m->gone || m->damaged)
            return; // what was salvaged comes once more, from another file
        move_mark(*m, batch.last);
        drop_if_drained(*m);
    }
    sweep();
}

void spool::implementation::move_mark(member& m, std::int64_t to)
{
    std::int64_t last = 0;
    {
        const std::lock_guard lock{mutex};
        last = m.last;
        if (to <= m.mark || to > last)
            return;
        m.mark = to;
        m.oldest.reset();
    }
    if (to == last)
        return; // the file goes as a whole
    if (const auto opened = ensure_open(m); !opened) {
        note_fault(m, opened.error());
        return;
    }
    if (m.writable) {
        // A full disk must not stop what makes space on it.
        const auto moved = m.file->remove_to(to);
        if (!moved && moved.error().kind != fault_kind::full)
            seal(m, moved.error());
    }
    const auto oldest = m.file->received_at(to + 1);
    const std::uint64_t bytes = directory.bytes_of(m.name);
    const std::lock_guard lock{mutex};
    m.oldest = oldest;
    m.bytes = bytes;
}

// What could not be deleted when it was drained, or was found drained at the start.
void spool::implementation::sweep()
{
    for (const auto& m : by_age()) {
        const std::unique_lock io{m->io, std::try_to_lock};
        if (io.owns_lock() && !m->gone)
            drop_if_drained(*m);
    }
}

// The current file goes too: the next append makes a new one, and an idle spool keeps nobody's
// data.
void spool::implementation::drop_if_drained(member& m)
{
    {
        const std::lock_guard lock{mutex};
        const bool untouched = current.get() == &m && m.last == 0;
        if (m.worth_reading() || untouched)
            return;
        if (current.get() == &m)
            current = nullptr;
    }
    drop(m);
}

void spool::implementation::drop(member& m)
{
    const std::string drained = m.name + ".drained";
    m.file.reset();
    m.writable = false;
    if (!directory.rename(m.name, drained)) {
        write_log(severity::warn, "spool_file_not_deleted",
                  "spool: {file.name} is drained but cannot be deleted: {error.message}",
                  {{"file.name", m.name}, {"error.message", std::strerror(errno)}});
        if (directory.bytes_of(m.name) != 0)
            return;
    }
    for (const auto& name : {m.name + "-wal", m.name + "-shm", drained}) {
        if (const auto deleted = delete_file(directory / name, settings.vfs); !deleted) {
            write_log(severity::warn, "spool_file_not_deleted",
                      "spool: {file.name} is drained but not deleted: {error.message}",
                      {{"file.name", name}, {"error.message", deleted.error().detail}});
            break; // the next start goes on from the same names
        }
    }
    directory.sync();
    m.gone = true;
    const std::lock_guard lock{mutex};
    members.erase(m.name);
}

// --- Damage ---

// True when the file is out of the way, and what was whole in it stands in a new one.
bool spool::implementation::salvage(member& m)
{
    if (steady::now() < m.salvage_after)
        return false;
    m.file.reset();
    m.writable = false;
    const bool done = salvage_rows(m);
    if (!done) {
        m.salvage_after = steady::now() + m.salvage_pause;
        m.salvage_pause = std::min(2 * m.salvage_pause, salvage_pause_max);
    }
    return done;
}

// The new file first: a crash in between salvages once more, and duplicates are harmless.
bool spool::implementation::salvage_rows(member& m)
{
    auto image = load_image(directory / m.name, beside::nobody);
    if (!image) {
        write_log(severity::error, "spool_salvage_failed",
                  "spool: {file.name} cannot be salvaged yet: {error.message}",
                  {{"file.name", m.name}, {"error.message", image.error().detail}});
        return false;
    }
    auto rows = carve(image.value());
    std::int64_t mark = 0;
    {
        const std::lock_guard lock{mutex};
        mark = m.mark;
    }
    const auto kept = std::find_if(rows.rows.begin(), rows.rows.end(),
                                   [&](const spool_row& r) { return r.seq > mark; });
    rows.rows.erase(rows.rows.begin(), kept);
    if (!rows.rows.empty()) {
        const auto made = create(rows.rows);
        if (!made) {
            write_log(severity::error, "spool_salvage_failed",
                      "spool: {file.name} cannot be salvaged yet: {error.message}",
                      {{"file.name", m.name}, {"error.message", made.error().detail}});
            return false;
        }
    }
    return set_aside(m, rows);
}

bool spool::implementation::set_aside(member& m, const carved_rows& rows)
{
    const std::string kept_as = directory.set_aside(m.name);
    if (kept_as.empty()) {
        write_log(severity::error, "spool_salvage_failed",
                  "spool: {file.name} cannot be set aside: {error.message}",
                  {{"file.name", m.name}, {"error.message", std::strerror(errno)}});
        // Never the same rows into one more file: what was salvaged counts as removed here.
        if (!rows.rows.empty()) {
            const std::lock_guard lock{mutex};
            m.mark = std::max(m.mark, rows.rows.back().seq);
            m.last = std::max(m.last, m.mark);
        }
        return false;
    }
    write_log(severity::error, "spool_salvaged",
              "spool: {file.name} is kept as {attentive.spool.kept_as}: {attentive.event.count} "
              "events salvaged, {attentive.spool.missing} known to be missing",
              {{"file.name", m.name},
               {"attentive.spool.kept_as", kept_as},
               {"attentive.event.count", rows.rows.size()},
               {"attentive.spool.missing", rows.missing}});
    m.gone = true;
    const std::lock_guard lock{mutex};
    members.erase(m.name);
    if (std::find(damaged.begin(), damaged.end(), kept_as) == damaged.end())
        damaged.push_back(kept_as);
    return true;
}

// --- Files out of their WALs ---

member_ptr spool::implementation::next_closed()
{
    const std::lock_guard lock{mutex};
    if (closed.empty())
        return nullptr;
    auto m = std::move(closed.front());
    closed.pop_front();
    return m;
}

void spool::implementation::keep(worker& self)
{
    do {
        for (auto m = next_closed(); m != nullptr && !self.is_stopping(); m = next_closed()) {
            const std::lock_guard io{m->io};
            checkpoint(*m);
        }
    } while (self.rest_until(worker::for_ever));
}

// The file keeps its WAL when this fails: rows are read from there as well.
void spool::implementation::checkpoint(member& m)
{
    if (m.gone || !m.writable || m.damaged)
        return;
    const bool was_open = m.file != nullptr;
    if (!ensure_open(m))
        return; // whoever reads it will say so
    const auto done = m.file->checkpoint();
    if (!done && done.error().kind != fault_kind::full)
        seal(m, done.error());
    measure(m);
    if (done && !was_open)
        m.file.reset();
}

// --- What is there ---

std::vector<member_ptr> spool::implementation::by_age() const
{
    const std::lock_guard lock{mutex};
    std::vector<member_ptr> out;
    for (const auto& [name, m] : members)
        out.push_back(m);
    return out;
}

bool spool::implementation::worth_reading(const member& m) const
{
    const std::lock_guard lock{mutex};
    return m.worth_reading();
}

bool spool::implementation::fits(std::uint64_t bytes) const
{
    const std::lock_guard lock{mutex};
    for (const auto& [name, m] : members)
        bytes += m->bytes + m->growth;
    return bytes <= settings.bytes_max;
}

spool_status spool::implementation::status() const
{
    const std::lock_guard lock{mutex};
    spool_status out;
    out.damaged = damaged;
    for (const auto& [name, m] : members) {
        if (m->damaged) {
            out.damaged.push_back(name);
            continue;
        }
        out.events += m->events();
        out.bytes += m->bytes;
        ++out.files;
        if (m->oldest && (!out.oldest || *m->oldest < *out.oldest))
            out.oldest = m->oldest;
    }
    return out;
}

bool spool::implementation::has_room() const
{
    const std::uint64_t bytes = bytes_needed(settings.event_bytes_max);
    return steady::now() >= no_room_before.load() && fits(bytes) && directory.bytes_free() >= bytes;
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
    BOOST_OUTCOME_TRY(made->take_in());
    made->start_keeper();
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
    return implementation_->status();
}

bool spool::has_room() const
{
    return implementation_->has_room();
}

} // namespace gateway
