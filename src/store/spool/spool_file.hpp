// One file of the spool, as SQLite sees it: rows numbered from 1 without gaps, only ever added,
// and a mark up to which they were removed. Nothing is deleted inside a file: a drained file goes
// as a whole, which keeps it a plain append and its damage easy to see. One connection, in
// exclusive mode: no shared memory file, and nobody else can write behind our back.
#pragma once

#include "gateway/base/time.hpp"
#include "gateway/model/delivery.hpp"
#include "store/spool/sqlite.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gateway {

// Not thread-safe: whoever holds it sees to one call at a time.
class spool_file {
public:
    // Opens a file that create_spool_file() made, in constant time but for its WAL. Fails with
    // damaged when it is not whole as far as that can tell; such a file was not touched.
    static file_result<std::unique_ptr<spool_file>> open(const std::filesystem::path& file,
                                                         const std::string& vfs);

    // Adds the rows behind the last one, durable when it returns. After `full` nothing is changed
    // and the file is as good as before; after any other fault it must not be written any more.
    file_result<void> append(const std::vector<const verified_delivery*>& deliveries);

    // Rows behind `mark` in order, each checked; about `bytes_max`, but one at least.
    file_result<std::vector<verified_delivery>> read(std::int64_t mark, std::size_t events_max,
                                                     std::size_t bytes_max);

    // Notes durably that rows up to `seq` were removed.
    file_result<void> remove_to(std::int64_t seq);

    // Moves everything out of the WAL into the file and empties the WAL.
    file_result<void> checkpoint();

    // When row `seq` was received; nullopt when it cannot be told.
    std::optional<timestamp> received_at(std::int64_t seq);

    std::int64_t last() const { return last_; } // number of the last row, 0 when there is none
    std::int64_t mark() const { return mark_; } // as the file itself has it
    // Bytes by which the file will grow when its WAL is moved into it.
    std::uint64_t growth() const;

private:
    spool_file(std::filesystem::path file, sqlite_connection connection);

    file_result<void> configure();
    file_result<void> prepare();
    file_result<void> take_stock();
    file_result<void> insert(std::int64_t seq, const verified_delivery& d);
    file_result<void> commit();
    file_result<void> still_there();
    file_result<std::string> text_of(const char* sql);
    file_fault fault(const std::string& what) const;
    void roll_back();

    std::filesystem::path file_;
    sqlite_connection connection_;
    sqlite_statement insert_;
    sqlite_statement select_;
    sqlite_statement update_mark_;
    sqlite_statement page_count_;
    std::int64_t last_ = 0;
    std::int64_t mark_ = 0;
};

} // namespace gateway
