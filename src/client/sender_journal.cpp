// Lines are collected and written with one write(2) before the next request. See
// sender_journal.hpp.
#include "client/sender_journal.hpp"

#include "gateway/base/time.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace gateway {
namespace {

// Nothing that is written here needs escapes: ids, digests, times and our own words.
void append_text(std::string& out, std::string_view key, std::string_view value)
{
    out += ",\"";
    out += key;
    if (value.empty()) {
        out += "\":null";
        return;
    }
    out += "\":\"";
    out += value;
    out += '"';
}

void append_line(std::string& out, std::uint64_t n, std::string_view phase,
                 std::string_view event_id, std::string_view sha256, int status,
                 std::string_view disposition)
{
    out += "{\"n\":";
    out += std::to_string(n);
    append_text(out, "phase", phase);
    append_text(out, "event_id", event_id);
    append_text(out, "sha256", sha256);
    out += ",\"status\":";
    out += status == 0 ? "null" : std::to_string(status);
    append_text(out, "disposition", disposition);
    append_text(out, "at", to_string(now()));
    out += "}\n";
}

} // namespace

result<sender_journal> sender_journal::open(const std::filesystem::path& file)
{
    const int descriptor =
        ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return fail(errc::io_failed, "journal " + file.string() + ": " + std::strerror(errno));
    return sender_journal{descriptor};
}

sender_journal::sender_journal(sender_journal&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_))
{
}

sender_journal::~sender_journal()
{
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

void sender_journal::attempt(std::uint64_t n, std::string_view event_id, std::string_view sha256)
{
    append_line(buffer_, n, "attempt", event_id, sha256, 0, {});
}

void sender_journal::answer(std::uint64_t n, std::string_view event_id, std::string_view sha256,
                            int status, std::string_view disposition)
{
    append_line(buffer_, n, "answer", event_id, sha256, status, disposition);
}

result<void> sender_journal::flush()
{
    std::size_t written = 0;
    while (written < buffer_.size()) {
        const ssize_t count =
            ::write(descriptor_, buffer_.data() + written, buffer_.size() - written);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            buffer_.erase(0, written);
            return fail(errc::io_failed, std::string{"journal: "} + std::strerror(errno));
        }
        written += static_cast<std::size_t>(count);
    }
    buffer_.clear();
    return ok();
}

} // namespace gateway
