// Empties a spool into the database by hand, for an operator whose daemon does not run. The daemon
// needs none of this: it drains by itself.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/store/batch_settings.hpp"
#include "gateway/store/spool.hpp"

#include <cstdint>
#include <functional>

namespace gateway {

struct drain_settings : batch_settings {
    std::function<void(std::uint64_t)> progress = {}; // how many are drained by now; may be empty
};

struct drain_report {
    std::uint64_t drained = 0; // in the database's intake now
};

// Appends what waits in `from` to the database's intake, oldest first and as fast as it goes, and
// removes it batch by batch: whenever this fails, everything is in the database or still in the
// spool, and a second call goes on. Fails with database_unavailable, database_failed or
// spool_failed. Blocks; one call at a time.
result<drain_report> drain(spool& from, const drain_settings& settings);

} // namespace gateway
