// Asks a database, before anything is written to it, whether it keeps what it commits. The writer
// asks again at each of its connects.
#pragma once

#include "gateway/base/result.hpp"

#include <string>

namespace gateway {

// Success when commits survive a crash of the host, or when weak ones are `accepted`: then the
// weakness is logged at level error. Fails with database_failed, saying in plain words what to
// change, or database_unavailable when nobody can tell.
result<void> check_durability(const std::string& database_url, bool accepted);

} // namespace gateway
