// Decides what a sender is told: the HTTP status of every outcome, the JSON that goes with it and
// the bytes on the wire. Words for people come from fixed texts or from an error's detail, which
// never holds anything of the payload; our own trouble is told without detail. No I/O, no clock.
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/model/receipt.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace gateway {

struct answer {
    int status = 200;
    std::string body;   // JSON
    std::string fields; // further header lines, each with its CR LF
};

// {"status":"accepted","event_id":…} with 200, and {"status":"quarantined","quarantine_id":…,
// "reason":…} with 202: whatever was kept is a 2xx, or the sender would repeat it for three days.
answer answer_to(const receipt& r);

// {"error":{"code":…,"message":…}} with the status of `e.code`. A 503 carries Retry-After.
answer answer_to(const error& e, std::chrono::seconds retry_after);

// GET /healthz: 200 {"status":"ok"}, or 503 with "draining" or "unavailable".
answer answer_to_health(bool healthy, bool draining);

// The status of a refusal. 401: signature; 503: all that is our own trouble, because the sender
// comes back for three days after anything but 2xx.
int http_status(errc code);

struct wire_form {
    std::string_view date;  // as http_date() gives it
    bool close = false;     // Connection: close
    bool http_1_0 = false;  // a connection kept alive has to be confirmed
    bool head_only = false; // HEAD: the body's length, but no body
};

// Appends the whole response to `out`.
void render(const answer& a, const wire_form& form, std::string& out);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string http_date(std::chrono::sys_seconds t);

} // namespace gateway
