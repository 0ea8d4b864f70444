#include "store/spool/spool_files.hpp"
#include "gateway/base/log.hpp"
#include "store/spool/spool_blank.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gateway {
namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

// Rows a salvage writes in one transaction.
constexpr std::size_t salvage_events = 1'000;
// What does not take anything is tried as often.
constexpr std::chrono::seconds trial_pause{1};
// How long take_in() may salvage; the rest is done when read() comes to it.
constexpr std::chrono::seconds open_salvage_budget{1};

} // namespace

// --- Start and end ---

spool_files::~spool_files()
{
    keeper_.reset();
    // Leaves a WAL behind only where it has to: the next start is quicker, and damage shows less.
    if (current_ != nullptr) {
        const std::lock_guard io{current_->io};
        checkpoint(*current_);
    }
}

result<void> spool_files::take_in()
{
    BOOST_OUTCOME_TRY(auto listing, list_spool_directory(directory_.path()));
    sequence_next_ = listing.sequence_last + 1;
    damaged_ = std::move(listing.damaged);
    for (const auto& name : listing.leftovers) {
        if (const auto deleted = delete_file(directory_ / name, settings_.vfs); !deleted) {
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
    keeper_.emplace("spool keeper", [this](worker& self) { keep(self); });
    return ok();
}

// Opens the file once, to count and to check it, and closes it again: only the one that is being
// drained needs a connection.
void spool_files::take_in_file(const std::string& name)
{
    auto m = std::make_shared<spool_member>(name);
    const std::lock_guard io{m->io};
    m->unknown = true;
    members_.emplace(name, m);
    if (const auto opened = ensure_open(*m); !opened)
        note_fault(*m, opened.error());
    measure(*m);
    std::error_code none;
    const bool has_wal = fs::file_size(directory_ / (name + "-wal"), none) > 0 && !none;
    m->file.reset();
    if (has_wal && !m->damaged)
        closed_.push_back(m);
}

// --- The file that is appended to ---

file_result<spool_member_ptr> spool_files::appendable()
{
    {
        const std::lock_guard lock{mutex_};
        if (current_ != nullptr && current_->bytes + current_->growth < settings_.file_bytes_max)
            return current_;
        if (current_ != nullptr) {
            closed_.push_back(std::exchange(current_, nullptr));
            keeper_->wake();
        }
    }
    BOOST_OUTCOME_TRY(auto made, create({}));
    const std::lock_guard lock{mutex_};
    current_ = made;
    return made;
}

// A file comes into being under another name, so that a half-made one is never taken for damaged.
file_result<spool_member_ptr> spool_files::create(const std::vector<spool_row>& rows)
{
    std::string name;
    {
        const std::lock_guard lock{mutex_};
        name = spool_file_name(sequence_next_++);
    }
    const std::string unfinished = name + ".new";
    auto done = fill(unfinished, rows);
    if (done && !directory_.rename(unfinished, name))
        done = file_fault{fault_kind::failed, "rename: " + std::string{std::strerror(errno)}};
    auto m = std::make_shared<spool_member>(name);
    const std::lock_guard io{m->io};
    if (done)
        done = ensure_open(*m);
    if (!done) {
        m->file.reset();
        for (const auto& leftover : {unfinished + "-wal", unfinished, name + "-wal", name})
            (void)delete_file(directory_ / leftover, settings_.vfs).has_value();
        return done.error();
    }
    measure(*m);
    if (!rows.empty())
        m->file.reset(); // to be read in its turn
    const std::lock_guard lock{mutex_};
    members_.emplace(name, m);
    return m;
}

file_result<void> spool_files::fill(const std::string& name, const std::vector<spool_row>& rows)
{
    BOOST_OUTCOME_TRY(create_spool_file(directory_ / name, settings_.vfs));
    if (rows.empty())
        return ok();
    {
        BOOST_OUTCOME_TRY(const auto file, spool_file::open(directory_ / name, settings_.vfs));
        std::vector<const verified_delivery*> chunk;
        for (const auto& row : rows) {
            chunk.push_back(&row.content);
            if (chunk.size() == salvage_events || &row == &rows.back()) {
                BOOST_OUTCOME_TRY(file->append(chunk));
                chunk.clear();
            }
        }
        BOOST_OUTCOME_TRY(file->checkpoint());
    }
    return delete_file(directory_ / (name + "-wal"), settings_.vfs);
}

void spool_files::note_append(spool_member& m, timestamp first)
{
    measure(m);
    const std::lock_guard lock{mutex_};
    if (m.last == m.mark)
        m.oldest = first;
    m.last = m.file->last();
}

void spool_files::seal(spool_member& m, const file_fault& why)
{
    m.writable = false;
    write_log(severity::error, "spool_file_sealed",
              "spool: {file.name} takes no more: {error.message}",
              {{"file.name", m.name}, {"error.message", why.detail}});
    const std::lock_guard lock{mutex_};
    if (m.file != nullptr)
        m.last = std::max(m.last, m.file->last()); // the batch in doubt, too
    if (current_.get() == &m)
        current_ = nullptr;
}

// --- One file ---

file_result<void> spool_files::ensure_open(spool_member& m)
{
    if (m.file != nullptr)
        return ok();
    BOOST_OUTCOME_TRY(auto file, spool_file::open(directory_ / m.name, settings_.vfs));
    std::int64_t mark = 0;
    {
        const std::lock_guard lock{mutex_};
        if (file->last() < m.last)
            return file_fault{fault_kind::damaged, "has fewer rows than before"};
        m.last = file->last();
        m.mark = std::max(m.mark, file->mark());
        m.unknown = false;
        mark = m.mark;
    }
    const auto oldest = mark < file->last() ? file->received_at(mark + 1) : std::nullopt;
    const std::lock_guard lock{mutex_};
    m.oldest = oldest;
    m.file = std::move(file);
    return ok();
}

void spool_files::measure(spool_member& m)
{
    const std::uint64_t bytes = directory_.bytes_of(m.name);
    const std::uint64_t growth = m.file == nullptr ? 0 : m.file->growth();
    const std::lock_guard lock{mutex_};
    m.bytes = bytes;
    m.growth = growth;
}

std::int64_t spool_files::mark_of(const spool_member& m) const
{
    const std::lock_guard lock{mutex_};
    return m.mark;
}

// --- Drained files ---

void spool_files::remove_to(spool_member& m, std::int64_t to)
{
    move_mark(m, to);
    drop_if_drained(m);
}

void spool_files::move_mark(spool_member& m, std::int64_t to)
{
    std::int64_t last = 0;
    {
        const std::lock_guard lock{mutex_};
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
    const std::uint64_t bytes = directory_.bytes_of(m.name);
    const std::lock_guard lock{mutex_};
    m.oldest = oldest;
    m.bytes = bytes;
}

void spool_files::sweep()
{
    for (const auto& m : by_age()) {
        const std::unique_lock io{m->io, std::try_to_lock};
        if (io.owns_lock() && !m->gone)
            drop_if_drained(*m);
    }
}

// The current file goes too: the next append makes a new one, and an idle spool keeps nobody's
// data.
void spool_files::drop_if_drained(spool_member& m)
{
    {
        const std::lock_guard lock{mutex_};
        const bool untouched = current_.get() == &m && m.last == 0;
        if (m.worth_reading() || untouched)
            return;
        if (current_.get() == &m)
            current_ = nullptr;
    }
    drop(m);
}

void spool_files::drop(spool_member& m)
{
    const std::string drained = m.name + ".drained";
    m.file.reset();
    m.writable = false;
    if (!directory_.rename(m.name, drained)) {
        write_log(severity::warn, "spool_file_not_deleted",
                  "spool: {file.name} is drained but cannot be deleted: {error.message}",
                  {{"file.name", m.name}, {"error.message", std::strerror(errno)}});
        if (directory_.bytes_of(m.name) != 0)
            return;
    }
    for (const auto& name : {m.name + "-wal", m.name + "-shm", drained}) {
        if (const auto deleted = delete_file(directory_ / name, settings_.vfs); !deleted) {
            write_log(severity::warn, "spool_file_not_deleted",
                      "spool: {file.name} is drained but not deleted: {error.message}",
                      {{"file.name", name}, {"error.message", deleted.error().detail}});
            break; // the next start goes on from the same names
        }
    }
    directory_.sync();
    m.gone = true;
    const std::lock_guard lock{mutex_};
    members_.erase(m.name);
}

// --- Files out of their WALs ---

spool_member_ptr spool_files::next_closed()
{
    const std::lock_guard lock{mutex_};
    if (closed_.empty())
        return nullptr;
    auto m = std::move(closed_.front());
    closed_.pop_front();
    return m;
}

void spool_files::keep(worker& self)
{
    auto until = worker::for_ever;
    do {
        for (auto m = next_closed(); m != nullptr && !self.is_stopping(); m = next_closed()) {
            const std::lock_guard io{m->io};
            checkpoint(*m);
        }
        const bool takes = disk_takes() || try_disk().has_value();
        until = takes ? worker::for_ever : worker::clock::now() + trial_pause;
    } while (self.rest_until(until));
}

// The file keeps its WAL when this fails: rows are read from there as well.
void spool_files::checkpoint(spool_member& m)
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

std::vector<spool_member_ptr> spool_files::by_age() const
{
    const std::lock_guard lock{mutex_};
    std::vector<spool_member_ptr> out;
    for (const auto& [name, m] : members_)
        out.push_back(m);
    return out;
}

spool_member_ptr spool_files::find(const std::string& name) const
{
    const std::lock_guard lock{mutex_};
    const auto found = members_.find(name);
    return found == members_.end() ? nullptr : found->second;
}

bool spool_files::worth_reading(const spool_member& m) const
{
    const std::lock_guard lock{mutex_};
    return m.worth_reading();
}

bool spool_files::fits(std::uint64_t bytes) const
{
    const std::lock_guard lock{mutex_};
    for (const auto& [name, m] : members_)
        bytes += m->bytes + m->growth;
    return bytes <= settings_.bytes_max;
}

spool_status spool_files::status() const
{
    const std::lock_guard lock{mutex_};
    spool_status out;
    out.damaged = damaged_;
    for (const auto& [name, m] : members_) {
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

} // namespace gateway
