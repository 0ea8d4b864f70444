// A thread that takes one step after another on a connection of its own, for as long as it takes.
#pragma once

#include "gateway/base/backoff.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/worker.hpp"
#include "store/database/call_deadlines.hpp"

#include <pqxx/pqxx>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace gateway {

class step_loop {
public:
    // What goes on on one connection.
    class session {
    public:
        session() = default;
        virtual ~session() = default;
        session(const session&) = delete;
        session& operator=(const session&) = delete;

        virtual pqxx::connection& connection() = 0;
        // One step, and how long to rest behind it. Throws what libpqxx throws.
        virtual worker::clock::duration step() = 0;
    };
    // Called on the thread. Throws when it cannot connect.
    using connector = std::function<std::unique_ptr<session>(call_deadlines&)>;

    // What a failure is called in the log.
    struct failure_name {
        const char* event;
        const char* text;
    };

    // Starts the thread. A failure of a step or a connect is logged and tried again, with back-off;
    // a connection that was lost is made anew.
    template <std::size_t size>
    step_loop(const char (&name)[size], std::string database_url, failure_name failure,
              connector connect)
        : database_url_(std::move(database_url)), failure_(failure), connect_(std::move(connect)),
          thread_(name, [this](worker& self) { run(self); })
    {
    }
    // Cuts the step under way, which is rolled back.
    ~step_loop() { stop(); }
    step_loop(const step_loop&) = delete;
    step_loop& operator=(const step_loop&) = delete;

    // The same, without waiting for it. Any thread.
    void stop();

private:
    void run(worker& self);
    void step_on(session& on, worker& self);
    void tell_failure(worker& self);

    const std::string database_url_;
    const failure_name failure_;
    const connector connect_;
    call_deadlines deadlines_;
    backoff failures_;
    log_limit failure_log_;
    worker thread_; // the last: it uses the others
};

} // namespace gateway
