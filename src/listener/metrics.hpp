// What the listener tells the metrics: answers by status, and how long requests took. Handles are
// looked up once; counting is an addition and one bucket.
#pragma once

#include "gateway/base/result.hpp"

#include <chrono>

namespace gateway {

// An answer was written, or the peer did not take it. `took` is from the request's first byte.
void count_response(int status, std::chrono::steady_clock::duration took);

// What seemed signed was answered `status` by its head alone; one that is none of
// misdirected_statuses is not counted.
void count_misdirected(int status);

// A connection was taken, it ended, or it was turned away because of `limit` ("connections").
void count_connection_opened();
void count_connection_closed();
void count_connection_refused(const char* limit);

} // namespace gateway
