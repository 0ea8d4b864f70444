// What of the set of files deals with damage: when a file counts as damaged, and how what is whole
// in it comes into a new one.
#include "gateway/base/log.hpp"
#include "store/spool/spool_carving.hpp"
#include "store/spool/spool_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gateway {
namespace {

// A file whose bytes the disk refuses that often in a row is taken as damaged.
constexpr int read_failures_max = 3;

} // namespace

bool spool_files::note_fault(spool_member& m, const file_fault& f)
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
    const std::lock_guard lock{mutex_};
    m.damaged = m.damaged || damage;
    if (current_.get() == &m)
        current_ = nullptr; // nothing new goes where the old cannot be read
    return damage;
}

bool spool_files::salvage(spool_member& m)
{
    if (std::chrono::steady_clock::now() < m.salvage_after)
        return false;
    m.file.reset();
    m.writable = false;
    const bool done = salvage_rows(m);
    if (!done) {
        m.salvage_after = std::chrono::steady_clock::now() + m.salvage_pause;
        m.salvage_pause = std::min(2 * m.salvage_pause, spool_member::salvage_pause_max);
    }
    return done;
}

// The new file first: a crash in between salvages once more, and duplicates are harmless.
bool spool_files::salvage_rows(spool_member& m)
{
    auto image = load_image(directory_ / m.name, beside::nobody);
    if (!image) {
        write_log(severity::error, "spool_salvage_failed",
                  "spool: {file.name} cannot be salvaged yet: {error.message}",
                  {{"file.name", m.name}, {"error.message", image.error().detail}});
        return false;
    }
    auto rows = carve(image.value());
    std::int64_t mark = 0;
    {
        const std::lock_guard lock{mutex_};
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

bool spool_files::set_aside(spool_member& m, const carved_rows& rows)
{
    const std::string kept_as = directory_.set_aside(m.name);
    if (kept_as.empty()) {
        write_log(severity::error, "spool_salvage_failed",
                  "spool: {file.name} cannot be set aside: {error.message}",
                  {{"file.name", m.name}, {"error.message", std::strerror(errno)}});
        // Never the same rows into one more file: what was salvaged counts as removed here.
        if (!rows.rows.empty()) {
            const std::lock_guard lock{mutex_};
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
    const std::lock_guard lock{mutex_};
    members_.erase(m.name);
    if (std::find(damaged_.begin(), damaged_.end(), kept_as) == damaged_.end())
        damaged_.push_back(kept_as);
    return true;
}

} // namespace gateway
