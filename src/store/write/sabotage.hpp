// Known bugs for one test only: the fault tests have to catch each of them, or their silence about
// the real daemon would prove nothing. Everything is here and in the `if` that asks; without
// GATEWAY_SABOTAGE, as the product is built, each question is a constant no and leaves no code.
#pragma once

#include "store/write/answers.hpp"
#include "store/write/pending.hpp"

#ifdef GATEWAY_SABOTAGE
#include <pqxx/pqxx>

#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#endif

namespace gateway {

enum class sabotage {
    ack_before_commit, // the sender hears "accepted" when the event is in memory
    drop_batch,        // what the database does not take is acknowledged and forgotten
    no_fsync,          // the commit does not wait for its WAL to be written
    forget_late,       // a batch past its deadline is answered accepted, and forgotten
    mark_first,        // a batch is removed from the spool before it is committed
    finish_first,      // rows of the intake wait no longer before they are applied
    always_ready,      // an event can be made durable, whatever is down or full
    leak_connection,   // each try to connect leaves a connection behind
    no_dedup,          // each delivery gets an id of its own, so that a retry is a second row
};

#ifdef GATEWAY_SABOTAGE

// Whether $GATEWAY_SABOTAGE names `s`.
inline bool sabotaged(sabotage s)
{
    static const std::string_view chosen = [] {
        const char* value = std::getenv("GATEWAY_SABOTAGE");
        return std::string_view{value == nullptr ? "" : value};
    }();
    switch (s) {
    case sabotage::ack_before_commit: return chosen == "ack-before-commit";
    case sabotage::drop_batch: return chosen == "drop-batch";
    case sabotage::no_fsync: return chosen == "no-fsync";
    case sabotage::forget_late: return chosen == "forget-late";
    case sabotage::mark_first: return chosen == "mark-first";
    case sabotage::finish_first: return chosen == "finish-first";
    case sabotage::always_ready: return chosen == "always-ready";
    case sabotage::leak_connection: return chosen == "leak-connection";
    case sabotage::no_dedup: return chosen == "no-dedup";
    }
    return false;
}

inline void acknowledge(pending& p, const mapping_function& map)
{
    if (!p.what)
        p.what.emplace(map(p.delivery));
    p.done(receipt_of(p));
    p.done = [](const result<receipt>&) {};
}

inline void acknowledge(std::vector<std::unique_ptr<pending>>& all, const mapping_function& map)
{
    for (auto& p : all)
        acknowledge(*p, map);
    all.clear();
}

inline void leave_connection(const std::string& url)
{
    [[maybe_unused]] const auto* const left =
        new pqxx::connection{url + "&application_name=attentive-gateway"};
}

inline void give_random_id(pending& p)
{
    auto* const event = std::get_if<source_event>(&*p.what);
    if (event == nullptr)
        return;
    thread_local std::mt19937_64 random{std::random_device{}()};
    for (auto& byte : event->event_id.bytes)
        byte = static_cast<std::uint8_t>(random());
}

#else

constexpr bool sabotaged(sabotage)
{
    return false;
}

inline void acknowledge(pending&, const mapping_function&) {}
inline void acknowledge(std::vector<std::unique_ptr<pending>>&, const mapping_function&) {}
inline void leave_connection(const std::string&) {}
inline void give_random_id(pending&) {}

#endif

} // namespace gateway
