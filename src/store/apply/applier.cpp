// When to take a step, how large, and how long to rest behind it. Two threads: one applies the
// intake to the log, the other the log to the read models. Whichever has a backlog waits for
// nobody, so that two processors are of use; while both keep up they take turns, and leave a
// processor to the intake.
#include "gateway/store/applier.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/log_limit.hpp"
#include "gateway/base/metrics.hpp"
#include "store/apply/apply_session.hpp"
#include "store/apply/step_loop.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/plan_renewal.hpp"
#include "store/database/schema.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

namespace gateway {

namespace {

using clock = worker::clock;

constexpr std::chrono::milliseconds others_pause{50};
constexpr std::chrono::seconds patience{2};
constexpr int refusals_max = 3; // of all that was taken, in a row: then they are put off one by one

counter applied_counter(const char* outcome)
{
    return make_counter("attentive_gateway_applied_total",
                        "Deliveries that were applied to the log, by what became of them.",
                        {{"outcome", outcome}});
}

const counter stored = applied_counter("stored");
const counter duplicate = applied_counter("duplicate");
const counter quarantined_anew = applied_counter("quarantined");

// Full steps follow each other. Behind a small one something gathers first, since a step of few
// costs nearly as much as one of many.
clock::duration rest_behind(clock::duration step, bool is_full, double factor,
                            clock::duration idle_pause)
{
    const clock::duration rest = is_full ? clock::duration::zero() : idle_pause;
    return std::max(rest, std::chrono::duration_cast<clock::duration>(factor * step));
}

// What both threads do one at a time, unless one is behind or the other hangs.
class by_turns : public step_loop::session {
public:
    by_turns(const applier_settings& settings, std::mutex& turn) : settings_(settings), turn_(turn)
    {
    }

    clock::duration step() final
    {
        std::unique_lock turn{turn_, std::defer_lock};
        if (!is_behind_ && !turn.try_lock() && ++passed_ < passed_max)
            return turn_pause;
        passed_ = 0;
        const auto start = clock::now();
        const auto done = take_step();
        is_behind_ = done.is_full;
        return rest_behind(clock::now() - start, done.is_full, done.rest_factor,
                           settings_.idle_pause);
    }

protected:
    struct step_done {
        bool is_full;
        double rest_factor;
    };
    virtual step_done take_step() = 0;

    const applier_settings& settings_;

private:
    static constexpr std::chrono::milliseconds turn_pause{10};
    static constexpr int passed_max = 20;

    std::mutex& turn_;
    bool is_behind_ = false;
    int passed_ = 0; // turns that the other had, in a row
};

// From the intake to the log.
class applying : public by_turns {
public:
    applying(const applier_settings& settings, std::mutex& turn, call_deadlines& deadlines)
        : by_turns(settings, turn), session_{settings.database_url,
                                             settings.map,
                                             deadlines,
                                             {{.deliveries_max = settings.deliveries_max},
                                              settings.step_deadline}}
    {
    }

    pqxx::connection& connection() override { return session_.connection(); }

private:
    step_done take_step() override;

    apply_session session_;
    int refused_in_a_row_ = 0;
    log_limit refused_log_{std::chrono::minutes{10}};
};

by_turns::step_done applying::take_step()
{
    const auto others =
        refused_in_a_row_ >= refusals_max ? takes_others::yes : takes_others::unknown;
    ++refused_in_a_row_; // unless it comes back
    const auto round = session_.round(others);
    refused_in_a_row_ = 0;
    stored.add(static_cast<double>(round.done.stored));
    duplicate.add(static_cast<double>(round.done.duplicates));
    quarantined_anew.add(static_cast<double>(round.done.quarantined));
    if (round.refused > 0)
        write_log(refused_log_, severity::error, "deliveries_put_off",
                  "{attentive.delivery.count} deliveries are refused by the database (SQLSTATE "
                  "{db.response.status_code}): they wait in the intake and are tried again, the "
                  "others go on",
                  {{"attentive.delivery.count", round.refused},
                   {"db.response.status_code", round.refusal}});
    return {round.deliveries >= settings_.deliveries_max, round.done.rest_factor};
}

// From the log to the read models.
class projecting : public by_turns {
public:
    projecting(const applier_settings& settings, std::mutex& turn, call_deadlines& deadlines)
        : by_turns(settings, turn), deadlines_(deadlines),
          database_({.url = settings.database_url,
                     .application = "attentive-gateway projector",
                     .statement_timeout = settings.step_deadline}),
          events_max_(settings.events_max)
    {
        const auto limit = within_deadline();
        expect_schema(database_.connection());
    }

    pqxx::connection& connection() override { return database_.connection(); }

private:
    step_done take_step() override;

    call_deadlines::guard within_deadline()
    {
        return {deadlines_, connection().sock(), settings_.step_deadline};
    }

    call_deadlines& deadlines_;
    database database_;
    plan_renewal renew_plans_;
    std::size_t events_max_; // halved by each failure, doubled by each success
    log_limit set_aside_log_;
};

by_turns::step_done projecting::take_step()
{
    const auto limit = within_deadline();
    const std::size_t asked = std::exchange(events_max_, std::max<std::size_t>(events_max_ / 2, 1));
    pqxx::nontransaction t{connection()};
    renew_plans_(t);
    const auto done =
        t.exec_params("SELECT events, set_aside, rest_factor FROM gateway.project($1)", asked)[0];
    events_max_ = std::min(asked * 2, settings_.events_max); // it did not throw
    if (const auto set_aside = done[1].as<std::size_t>(); set_aside > 0)
        write_log(set_aside_log_, severity::error, "events_set_aside",
                  "{attentive.event.count} events hold a value that the read models refuse and "
                  "were set aside: see gateway.set_aside",
                  {{"attentive.event.count", set_aside}});
    return {done[0].as<std::size_t>() >= asked, done[2].as<double>()};
}

} // namespace

struct applier::implementation {
    explicit implementation(applier_settings s) : settings(std::move(s)) {}

    const applier_settings settings;
    std::mutex turn;
    step_loop to_log{
        "applier",
        settings.database_url,
        {"not_applied", "the intake is not applied to the log for now: {error.message}"},
        [this](call_deadlines& deadlines) {
            return std::make_unique<applying>(settings, turn, deadlines);
        }};
    step_loop to_read_models{
        "projector",
        settings.database_url,
        {"projection_failed",
         "the read models are not brought up to date for now: {error.message}"},
        [this](call_deadlines& deadlines) {
            return std::make_unique<projecting>(settings, turn, deadlines);
        }};
};

result<void> apply_waiting(const std::string& database_url, const mapping_function& map)
{
    try {
        call_deadlines deadlines;
        apply_session session{database_url, map, deadlines};
        for (;;) {
            const auto done = session.round();
            if (done.is_active && done.deliveries == 0)
                return ok();
            if (!done.is_active) // a gateway is at it, or an erasure
                std::this_thread::sleep_for(others_pause);
        }
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::writer);
    }
}

result<std::uint64_t> await_applied(const std::string& database_url)
{
    try {
        database db{{.url = database_url,
                     .application = "attentive-gateway",
                     .statement_timeout = {},
                     .only_reads = true}};
        pqxx::nontransaction t{db.connection()};
        const auto last = t.exec("SELECT coalesce(max(intake_id), 0) FROM gateway.intake_waiting"
                                 " WHERE tries = 0")[0][0]
                              .as<std::int64_t>();
        for (const auto until = clock::now() + patience;;
             std::this_thread::sleep_for(others_pause)) {
            const auto left = t.exec_params("SELECT coalesce(sum(deliveries), 0)"
                                            " FROM gateway.intake_waiting"
                                            " WHERE intake_id <= $1 AND tries = 0",
                                            last)[0][0]
                                  .as<std::uint64_t>();
            if (left == 0 || clock::now() > until)
                return left;
        }
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::writer);
    }
}

applier::applier(applier_settings settings)
    : implementation_(std::make_unique<implementation>(std::move(settings)))
{
}

applier::~applier()
{
    stop(); // both, before either is waited for
}

void applier::stop()
{
    implementation_->to_log.stop();
    implementation_->to_read_models.stop();
}

} // namespace gateway
