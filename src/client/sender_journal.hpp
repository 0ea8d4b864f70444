// What was attempted and what was answered, one JSON line each, so that a checker can compare the
// sender's view with what was stored. An attempt is in the file before its bytes are on the wire:
// a crash of the sender leaves attempts without answers, never sends without attempts.
#pragma once

#include "gateway/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace gateway {

// The kernel has every line once flush() returned; no fsync. One thread.
class sender_journal {
public:
    // Creates or empties `file`. Fails with io_failed.
    static result<sender_journal> open(const std::filesystem::path& file);

    sender_journal(sender_journal&& other) noexcept;
    sender_journal(const sender_journal&) = delete;
    sender_journal& operator=(const sender_journal&) = delete;
    sender_journal& operator=(sender_journal&&) = delete;
    ~sender_journal();

    // `event_id` is empty for a body that maps to no event.
    void attempt(std::uint64_t n, std::string_view event_id, std::string_view sha256);

    // `status` 0: no answer came; `disposition` empty: the answer named none.
    void answer(std::uint64_t n, std::string_view event_id, std::string_view sha256, int status,
                std::string_view disposition);

    // Fails with io_failed, for example when the disk is full.
    result<void> flush();

private:
    explicit sender_journal(int descriptor) : descriptor_(descriptor) {}

    int descriptor_;
    std::string buffer_;
};

} // namespace gateway
