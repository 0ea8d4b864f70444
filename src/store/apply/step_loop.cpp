#include "store/apply/step_loop.hpp"
#include "gateway/base/log.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"

namespace gateway {

void step_loop::tell_failure(worker& self)
{
    if (self.is_stopping()) // which cuts the step
        return;
    const error why = to_error(current_failure(), database_url_, database_role::writer);
    write_log(failure_log_, severity::warn, failure_.event, failure_.text,
              {{"error.type", name(why.code)}, {"error.message", why.detail}});
}

// Until this stops. Throws when the connection is of no more use.
void step_loop::step_on(session& on, worker& self)
{
    worker::clock::duration rest{0};
    while (self.rest(rest)) {
        try {
            rest = on.step();
            failures_.reset();
        } catch (...) {
            if (current_failure().kind == failure_kind::lost || !on.connection().is_open())
                throw;
            tell_failure(self);
            rest = failures_.next();
        }
    }
}

void step_loop::run(worker& self)
{
    worker::clock::duration rest{0};
    while (self.rest(rest)) {
        try {
            const auto on = connect_(deadlines_);
            step_on(*on, self);
            return;
        } catch (...) {
            tell_failure(self);
            rest = failures_.next();
        }
    }
}

void step_loop::stop()
{
    thread_.stop();
    deadlines_.end_all();
}

} // namespace gateway
