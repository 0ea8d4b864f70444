#include "gateway/store/showcase.hpp"

#include "store/database/query.hpp"

namespace gateway {
namespace {

constexpr const char* events_query = R"(
SELECT event_name,
       to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS occurred_at_utc,
       company_name AS company,
       identifiers->'attentive_external_id'->>0 AS external_id,
       concat_ws(' · ',
           nullif(concat_ws(' via ', subscription_type, creative_name), ''),
           nullif(concat_ws(' ', message_key, message_type), ''),
           message_name, message_subject, message_text,
           link_host || link_path, 'campaign ' || utm_campaign,
           attribute_name || ' = ' || attribute_value) AS context
  FROM gateway.source_event
 WHERE source = 'attentive' AND company_id <> $1
 ORDER BY occurred_at, event_name
 LIMIT 30)";

constexpr const char* timeline_query = R"(
SELECT to_char(occurred_at, 'YYYY-MM-DD HH24:MI') AS occurred_at_utc, summary
  FROM report.subscriber_timeline
 WHERE profile_id = (SELECT profile_id FROM report.attributed_orders WHERE touch IS NOT NULL
                      GROUP BY 1 ORDER BY sum(order_value) DESC, 1 LIMIT 1)
 ORDER BY occurred_at DESC, event_id
 LIMIT 14)";

result<bool> is_true(const std::string& database_url, const std::string& condition,
                     const std::vector<std::string>& parameters = {})
{
    BOOST_OUTCOME_TRY(const auto answer, query(database_url, "SELECT " + condition, parameters));
    return answer.rows.at(0).at(0) == "t";
}

} // namespace

result<query_table> demo_events(const std::string& database_url,
                                const std::string& without_company_id)
{
    return query(database_url, events_query, {without_company_id});
}

result<query_table> demo_timeline(const std::string& database_url)
{
    return query(database_url, timeline_query);
}

result<bool> has_events_of(const std::string& database_url, const std::string& company_id)
{
    return is_true(database_url, "EXISTS (SELECT FROM gateway.source_event WHERE company_id = $1)",
                   {company_id});
}

result<bool> is_projected(const std::string& database_url)
{
    return is_true(database_url, "deliveries = 0 AND events = 0 FROM gateway.projection_lag()");
}

} // namespace gateway
