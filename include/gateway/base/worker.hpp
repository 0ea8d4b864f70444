// A thread of the process, made right once: it has a name of its own, takes no signals (they belong
// to the main thread, so that a SIGTERM never lands in the middle of a database call or of a
// checkpoint), says whether it gets on, hears that it is to end, and is joined with its object.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace gateway {

class worker {
public:
    using clock = std::chrono::steady_clock;
    using body = std::function<void(worker&)>;

    // Starts the thread, which runs `work` once, to its end. `name` is what ps and gdb show: Linux
    // keeps 15 characters. What `work` uses has to be there by now, and to outlive this object.
    template <std::size_t size>
    requires(size <= 16) worker(const char (&name)[size], body work)
        : worker(static_cast<const char*>(name), std::move(work), nullptr)
    {
    }
    // Stops and joins. Whatever else the work may wait for has to be ended before.
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    // --- By the work itself ---

    // Busy from now on, or still, with a step done: something that has to end.
    void beat() { busy_since_ = clock::now().time_since_epoch().count(); }
    // Waits for something, as long as it likes.
    void idle() { busy_since_ = 0; }
    // Idle until `time` has passed, or somebody calls wake() or stop(); at once when somebody
    // called wake() since the last rest. False: this is the end.
    bool rest(clock::duration time) { return rest_until(clock::now() + time); }
    bool rest_until(clock::time_point until);
    static constexpr auto for_ever = clock::time_point::max();
    bool is_stopping();

    // --- By any thread ---

    void wake();
    void stop(); // for good
    // Since the last beat; zero while idle.
    std::chrono::milliseconds busy_for(clock::time_point now) const;

private:
    worker(const char* name, body work, std::nullptr_t);

    std::atomic<clock::rep> busy_since_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false;
    bool stopping_ = false;
    std::thread thread_; // the last: it uses the others
};

} // namespace gateway
