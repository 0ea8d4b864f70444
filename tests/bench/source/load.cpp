#include "load.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

namespace gateway::bench {
namespace {

constexpr auto drain_limit = std::chrono::seconds{30};
constexpr int idle_wait_us = 10'000;

double own_cpu_us()
{
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

double seconds(steady::duration d)
{
    return std::chrono::duration<double>(d).count();
}

void say(const char* what)
{
    std::puts(what);
    std::fflush(stdout);
}

} // namespace

load::load(const load_settings& settings, const prepared_requests& requests)
    : settings_(settings), requests_(requests), poll_(::epoll_create1(EPOLL_CLOEXEC)),
      slots_(settings.connections)
{
    report_.latencies_us.reserve(requests.size());
    for (std::size_t n = 0; n < slots_.size(); ++n) {
        connect(n);
        idle_.push_back(n);
    }
}

load_report load::run()
{
    if (settings_.introduced > 0)
        introduce();
    sending_ = true;
    start_ = steady::now();
    end_ = start_ + settings_.warm_up + settings_.window;
    run_until(start_ + settings_.warm_up);
    in_window_ = true;
    begin_ = steady::now();
    const double cpu = own_cpu_us();
    say("begin");
    run_until(end_);
    report_.seconds = seconds(steady::now() - begin_);
    report_.cpu_us = own_cpu_us() - cpu;
    in_window_ = false;
    say("end");
    drain();
    std::sort(report_.latencies_us.begin(), report_.latencies_us.end());
    return std::move(report_);
}

void load::introduce()
{
    while (next_ < settings_.introduced || idle_.size() < slots_.size()) {
        while (next_ < settings_.introduced && !idle_.empty()) {
            const auto number = idle_.back();
            idle_.pop_back();
            send(number, steady::now());
        }
        take_answers(idle_wait_us);
    }
    say("introduced");
    std::string ignored;
    std::getline(std::cin, ignored);
}

void load::run_until(steady::time_point end)
{
    for (auto now = steady::now(); now < end; now = steady::now()) {
        send_what_is_due();
        int wait = idle_wait_us;
        if (settings_.rate > 0 && !idle_.empty()) {
            const std::chrono::duration<double, std::micro> until{
                static_cast<double>(due_) / settings_.rate * 1e6 - seconds(now - start_) * 1e6};
            wait = std::clamp(static_cast<int>(until.count()), 0, idle_wait_us);
        }
        take_answers(wait);
    }
}

// What is under way is answered, and what was due in the window and found no connection is sent:
// whatever was acknowledged, or late, has to be counted.
void load::drain()
{
    sending_ = false;
    const auto end = steady::now() + drain_limit;
    const auto is_busy = [](const slot& s) { return s.busy; };
    for (auto now = steady::now(); now < end; now = steady::now()) {
        if (settings_.rate > 0)
            send_what_is_due();
        if (std::none_of(slots_.begin(), slots_.end(), is_busy))
            break;
        take_answers(idle_wait_us);
    }
    report_.unanswered +=
        static_cast<std::uint64_t>(std::count_if(slots_.begin(), slots_.end(), is_busy));
}

void load::take_answers(int timeout_us)
{
    std::array<epoll_event, 256> events;
    const timespec timeout{0, static_cast<long>(timeout_us) * 1'000};
    const int count = ::epoll_pwait2(poll_, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
        const auto number = static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64);
        switch (slots_[number].link->read()) {
        case connection::reading::more: break;
        case connection::reading::answered: answered(number); break;
        case connection::reading::closed: broke(number); break;
        case connection::reading::unreadable:
            throw std::runtime_error{"an answer has no status or no length"};
        }
    }
}

void load::answered(std::size_t number)
{
    slot& s = slots_[number];
    const auto now = steady::now();
    const int status = s.link->status();
    ++report_.statuses[status];
    if (status >= 200 && status < 300) {
        ++report_.acks;
        report_.events += in_window_ ? 1 : 0;
        // Of an open loop's requests those count that were due in the window, however late.
        if (settings_.rate > 0 ? s.since >= begin_ : in_window_) {
            report_.latencies_us.push_back(static_cast<std::uint32_t>(
                std::chrono::duration_cast<std::chrono::microseconds>(now - s.since).count()));
        }
    }
    s.busy = false;
    if (s.link->closes())
        connect(number);
    if (settings_.rate == 0 && sending_)
        send(number, now);
    else
        idle_.push_back(number);
}

void load::send(std::size_t number, steady::time_point since)
{
    if (next_ == requests_.size() && settings_.repeats)
        next_ = 0;
    if (next_ == requests_.size()) {
        report_.ran_out = true;
        idle_.push_back(number);
        return;
    }
    slot& s = slots_[number];
    s.since = since;
    s.busy = true;
    if (!s.link->write(requests_[next_++]))
        broke(number);
}

void load::send_what_is_due()
{
    const bool closed_loop = settings_.rate == 0;
    const auto now = steady::now();
    while (!idle_.empty() && !report_.ran_out) {
        auto since = now;
        if (!closed_loop) {
            since = start_ +
                    std::chrono::duration_cast<steady::duration>(
                        std::chrono::duration<double>(static_cast<double>(due_) / settings_.rate));
            if (since > now || since >= end_)
                return;
            ++due_;
        }
        const auto number = idle_.back();
        idle_.pop_back();
        send(number, since);
    }
}

void load::connect(std::size_t number)
{
    slots_[number].link = nullptr; // closing it takes it out of the set
    slots_[number].link = std::make_unique<connection>(context_.get(), settings_.port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = number;
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, slots_[number].link->socket(), &event) != 0)
        throw std::system_error{errno, std::generic_category(), "epoll_ctl"};
}

void load::broke(std::size_t number)
{
    slot& s = slots_[number];
    const bool was_busy = s.busy;
    s.busy = false;
    connect(number);
    if (!was_busy)
        return; // an idle connection that the server closed
    ++report_.unanswered;
    idle_.push_back(number);
}

} // namespace gateway::bench
