// Calls of gateway.erase and gateway.apply_retention. See gateway/store/privacy.hpp.
#include "gateway/store/privacy.hpp"
#include "store/database/database.hpp"
#include "store/database/missing_grant.hpp"
#include "store/database/schema.hpp"
#include "store/read/retention.hpp"

namespace gateway {
namespace {

// As an interval's text; empty for "for ever".
std::string age(std::size_t days)
{
    return days == 0 ? std::string{} : std::to_string(days) + " days";
}

} // namespace

result<erase_report> erase(const std::string& database_url, const erase_request& request)
{
    try {
        database db{{.url = database_url, .application = "attentive-gateway erase"}};
        pqxx::work t{db.connection()};
        const auto row = t.exec_params("SELECT subscribers, events, deliveries, quarantined, people"
                                       " FROM gateway.erase($1, $2, $3, $4, p_only => $5)",
                                       request.company_id, request.kind, request.value,
                                       request.dry_run, request.only_this_subscriber)[0];
        erase_report report{{},
                            row[0].as<std::uint64_t>(),
                            row[1].as<std::uint64_t>(),
                            row[2].as<std::uint64_t>(),
                            row[3].as<std::uint64_t>()};
        auto people = row[4].as_array();
        for (auto next = people.get_next(); next.first != pqxx::array_parser::done;
             next = people.get_next()) {
            if (next.first == pqxx::array_parser::string_value)
                report.people.push_back(next.second);
        }
        t.commit();
        return report;
    } catch (...) {
        const failure f = current_failure();
        if (f.sqlstate == "22023") // invalid_parameter_value
            return fail(errc::config_invalid, "the value is no valid " + request.kind);
        if (f.sqlstate == "21000") // cardinality_violation
            return fail(errc::config_invalid,
                        "the " + request.kind +
                            " belongs to several profiles: name the person by another identifier, "
                            "or see SELECT gateway.erase(..., p_profiles_max => n)");
        if (f.sqlstate == "23001") // restrict_violation
            return fail(
                errc::config_invalid,
                "an opt-out of theirs reaches others with the same phone or address, who "
                "would be opted in again: opt those out first, or erase all of the profile");
        return to_error(f, database_url, database_role::privacy);
    }
}

result<std::vector<retention_dropped>> apply_retention(const std::string& database_url,
                                                       const retention_settings& settings,
                                                       call_deadlines& deadlines)
{
    try {
        database db{{.url = database_url,
                     .application = "attentive-gateway retention",
                     .statement_timeout = settings.limit}};
        const call_deadlines::guard limit{deadlines, db.connection().sock(), settings.limit};
        expect_schema(db.connection());
        pqxx::work t{db.connection()};
        std::vector<retention_dropped> out;
        for (const auto& row : t.exec_params(
                 "SELECT what, rows FROM gateway.apply_retention(nullif($1, '')::interval,"
                 " nullif($2, '')::interval, nullif($3, '')::interval)",
                 age(settings.source_event_days), age(settings.delivery_days),
                 age(settings.quarantine_days)))
            out.push_back({row[0].as<std::string>(), row[1].as<std::uint64_t>()});
        t.commit();
        return out;
    } catch (...) {
        return to_error(current_failure(), database_url, database_role::writer);
    }
}

result<std::vector<retention_dropped>> apply_retention(const std::string& database_url,
                                                       const retention_settings& settings)
{
    call_deadlines deadlines;
    return apply_retention(database_url, settings, deadlines);
}

} // namespace gateway
