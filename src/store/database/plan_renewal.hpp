// Plans are made while tables may be empty, and kept while these grow: then the planner cannot tell
// an index of one row from one that walks a company, and each step is slower than the one before.
// So a session makes its plans anew, but not with every step: that takes 5 to 10 ms.
#pragma once

#include <pqxx/pqxx>

#include <chrono>

namespace gateway {

// One connection, one thread.
class plan_renewal {
public:
    // Before a step: throws away plans that are a second old. Throws what libpqxx throws.
    void operator()(pqxx::transaction_base& t)
    {
        const auto now = std::chrono::steady_clock::now();
        if (now < again_at_)
            return;
        t.exec("DISCARD PLANS");
        again_at_ = now + std::chrono::seconds{1};
    }

private:
    std::chrono::steady_clock::time_point again_at_;
};

} // namespace gateway
