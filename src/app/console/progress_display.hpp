// How far a long command is: a bar on a terminal, a line every few seconds elsewhere, nothing for a
// run of a moment. On standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace gateway {

// One thread.
class progress_display {
public:
    // Of `count` in all; zero when nobody knows.
    explicit progress_display(std::uint64_t count);

    void show(std::uint64_t done); // "1200 of 5000  600/s"
    // The same with words of the caller's for how much that is: `done` of `count` is the bar's.
    void show(std::uint64_t done, const std::string& words);
    // Takes the bar away, for what is printed after it or between.
    void finish();

private:
    bool is_time() const;

    const std::uint64_t count_;
    const bool bar_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point shown_ = started_;
};

} // namespace gateway
