// A relay between libpq and PostgreSQL, on unix sockets, that does harm at the N-th call. A call is
// what a client sends before it waits (a connect, or all up to a Sync) with its whole answer, so
// the harm stands at a known side of the commit.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace gateway::test {

enum class relay_harm {
    none,
    lose_call,   // cut before PostgreSQL sees the call
    lose_answer, // cut when it is done: committed, and the client cannot know
    cut_answer,  // cut in the middle of its answer
    hold_call,   // PostgreSQL never sees it, and the connection stays
    hold_answer, // done, and not a word of it
};

struct relay_plan {
    relay_harm what = relay_harm::none;
    int at = 0;           // the first call is 1
    bool forever = false; // so do all calls after it
};

// Serves from construction to destruction.
class faulty_relay {
public:
    // In front of the server that `url` names by its socket's directory.
    faulty_relay(const std::string& url, const relay_plan& plan);
    ~faulty_relay();
    faulty_relay(const faulty_relay&) = delete;
    faulty_relay& operator=(const faulty_relay&) = delete;

    // The same database through the relay.
    const std::string& url() const;
    int calls() const; // so far, of all connections

private:
    struct implementation;
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway::test
