#include "app/console/progress_display.hpp"

#include "app/console/print.hpp"

#include <unistd.h>

namespace gateway {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t bar_width = 32;

} // namespace

progress_display::progress_display(std::uint64_t count)
    : count_(count), bar_(::isatty(STDERR_FILENO) == 1)
{
}

bool progress_display::is_time() const
{
    return bar_ || clock::now() - shown_ >= std::chrono::seconds{5};
}

void progress_display::show(std::uint64_t done)
{
    if (!is_time())
        return;
    const std::chrono::duration<double> elapsed = clock::now() - started_;
    const double rate = elapsed.count() > 0 ? static_cast<double>(done) / elapsed.count() : 0;
    show(done, fmt::format("{} of {}  {:.0f}/s", done, count_, rate));
}

void progress_display::show(std::uint64_t done, const std::string& words)
{
    if (!is_time())
        return;
    shown_ = clock::now();
    const double share = count_ > 0 ? static_cast<double>(done) / static_cast<double>(count_) : 0.0;
    const int percent = static_cast<int>(share * 100);
    if (!bar_ || count_ == 0) {
        const std::string of_all = count_ > 0 ? fmt::format(" ({} %)", percent) : std::string{};
        print_error("{}{}{}{}", bar_ ? "\r" : "", words, of_all, bar_ ? " \x1b[K" : "\n");
    } else {
        std::string bar(bar_width, '.');
        const auto filled = static_cast<std::size_t>(share * static_cast<double>(bar_width));
        bar.replace(0, filled, filled, '#');
        print_error("\r[{}] {:3} %  {} \x1b[K", bar, percent, words);
    }
    drawn_ = bar_;
}

void progress_display::finish()
{
    if (drawn_)
        std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
}

} // namespace gateway
