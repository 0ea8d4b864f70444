// What of each report is held against the story, and by what of the reference.
#pragma once

#include "support/reference.hpp"

#include <string>
#include <vector>

namespace gateway::test {

inline std::string millis_of(const std::string& time)
{
    return "(extract(epoch FROM " + time + ") * 1000)::bigint";
}

struct view {
    std::string select;
    text_rows (reference::*told)() const;
};

inline std::vector<view> views_of_events()
{
    return {{"company_id, day, event_name, profile_id, subscriber_id, channel, message_key,"
             " message_subject, subscription_type, count(*)"
             " FROM report.source_event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
             &reference::source_event},
            {"company_id, " + millis_of("occurred_at") +
                 ", day, channel, message_key, message_type, link_host, link_path,"
                 " utm_source, utm_medium, utm_campaign, profile_id, subscriber_id,"
                 " is_suspect FROM report.link_clicks",
             &reference::link_clicks},
            {"company_id, day, channel, utm_source, utm_medium, utm_campaign, link_host,"
             " link_path, message_key, clicks, unique_clickers, suspect_clicks,"
             " unsuspected_clickers"
             " FROM report.link_clicks_daily",
             &reference::link_clicks_daily},
            {"company_id, " + millis_of("occurred_at") +
                 ", day, profile_id, subscriber_id, keyword_class, reply_to_message_key, " +
                 millis_of("reply_after") + ", " + millis_of("opted_out_at") + ", " +
                 millis_of("opted_out_after") +
                 ", stop_without_optout, (reply_after_s * 1000)::bigint,"
                 " (opted_out_after_s * 1000)::bigint FROM report.inbound_messages",
             &reference::inbound_messages},
            {"company_id, profile_id, " + millis_of("occurred_at") +
                 ", summary FROM report.subscriber_timeline",
             &reference::subscriber_timeline},
            {"company_id, " + millis_of("occurred_at") +
                 ", day, order_id, round(order_value, 2), currency, profile_id, touch,"
                 " touch_channel, message_key, message_type, utm_campaign, " +
                 millis_of("touched_at") +
                 ", round(refunds, 2), round(net_value, 2), is_cancelled,"
                 " customer_order_number, is_first_order, message_name, subscriber_id,"
                 " touch_subscriber_id, (touch_to_order_s * 1000)::bigint, " +
                 millis_of("touch_to_order") + " FROM report.attributed_orders",
             &reference::attributed_orders},
            {"company_id, day, touch_channel, touch, message_key, utm_campaign,"
             " currency, orders, round(revenue, 2), buyers, round(gross_revenue, 2),"
             " round(refunds, 2), cancelled_orders, message_type, message_name"
             " FROM report.revenue_by_message",
             &reference::revenue_by_message},
            {"company_id, " + millis_of("clicked_at") + ", channel, message_key, profile_id, " +
                 millis_of("site_at") + ", " + millis_of("lag") +
                 ", (lag_s * 1000)::bigint, day, utm_campaign, subscriber_id, link_host, link_path"
                 " FROM report.click_to_site",
             &reference::click_to_site}};
}

inline std::vector<view> views_of_people()
{
    return {{"company_id, profile_id, channel, subscription_type, is_subscribed,"
             " recency_days, clicks_90d, opens_90d, replies_90d, sent_90d, segment,"
             " suspect_clicks_90d, suspect_opens_90d, CASE WHEN first_granted_at IS NOT NULL"
             " THEN subscriber_id END, creative_name, " +
                 millis_of("first_granted_at") + ", " + millis_of("last_active_at") + ", " +
                 millis_of("last_open_at") + " FROM report.audience_quality",
             &reference::audience_quality},
            {"company_id, channel, subscription_type, segment, subscribers, clicks_90d,"
             " sent_90d, suspect_clicks_90d, avg_recency_days FROM report.audience_quality_summary",
             &reference::audience_quality_summary},
            {"company_id, event_name, (extract(epoch FROM hour) / 3600)::bigint, events, " +
                 millis_of("newest_event") +
                 ", round(median_delay_s::numeric, 6), round(p95_delay_s::numeric, 6),"
                 " (extract(epoch FROM silence) * 1000000)::bigint,"
                 " (extract(epoch FROM usual_silence) * 1000000)::bigint, is_silent"
                 " FROM report.feed_health"
                 " WHERE event_name !~ '^(page|order)[.]'",
             &reference::feed_health},
            {"company_id, day, channel, subscription_type, creative_name, opt_ins,"
             " opt_outs, effective_opt_ins, effective_opt_outs, net_change"
             " FROM report.consent_movement_daily",
             &reference::consent_movement_daily},
            {"company_id, day, channel, subscription_type, net_change,"
             " subscribers_at_day_end FROM report.audience_size_daily",
             &reference::audience_size_daily},
            {"company_id, channel, subscription_type, subscribed, unsubscribed,"
             " subscribed_last_30d, " +
                 millis_of("last_change_at") + " FROM report.current_subscribers",
             &reference::current_subscribers},
            {"company_id, profile_id, subscriber_id, channel, subscription_type,"
             " is_subscribed, " +
                 millis_of("decided_at") + ", " + millis_of("first_granted_at") + ", " +
                 millis_of("last_granted_at") + ", " + millis_of("last_revoked_at") +
                 ", creative_name FROM report.subscriber_consent",
             &reference::subscriber_consent},
            {"company_id, channel, message_key, message_type, message_name,"
             " message_subject, " +
                 millis_of("first_sent_at") + ", " + millis_of("last_sent_at") +
                 ", sent, recipients, opens, unique_openers, clicks, unique_clickers, ctr,"
                 " open_rate, click_rate, unsubscribed_1d, unsubscribed_3d, unsubscribed_7d,"
                 " unsubscribe_rate_7d, is_inferred, suspect_opens, suspect_clicks,"
                 " unsuspected_ctr, unsuspected_open_rate, unsuspected_click_rate,"
                 " recipients_opened, recipients_clicked, recipient_clicks,"
                 " unsuspected_recipients_opened, unsuspected_recipients_clicked"
                 " FROM report.message_performance",
             &reference::message_performance}};
}

inline std::vector<view> views_of_companies_and_addresses()
{
    return {{"company_id, company_name, " + millis_of("first_seen_at") + ", " +
                 millis_of("last_seen_at") + " FROM report.company",
             &reference::company},
            {"company_id, profile_id, subscriber_id, external_id, phone, email, " +
                 millis_of("first_seen_at") + ", " + millis_of("last_seen_at") +
                 " FROM report_pii.subscriber",
             &reference::pii_subscriber},
            {"company_id, channel, address, subscription_type, is_subscribed, " +
                 millis_of("decided_at") + " FROM report_pii.address_consent",
             &reference::address_consent},
            {"company_id, " + millis_of("occurred_at") +
                 ", subscriber_id, message_text FROM report_pii.inbound_messages",
             &reference::pii_inbound_messages}};
}

inline std::vector<view> views_of_the_site()
{
    return {{"company_id, " + millis_of("started_at") + ", profile_id, " + millis_of("ended_at") +
                 ", page_views, orders, link_path FROM report.sessions",
             &reference::sessions},
            {"company_id, day, channel, message_key, utm_campaign, clickers, page_visitors,"
             " cart_visitors, checkout_visitors, buyers, page_rate, cart_rate, checkout_rate,"
             " order_rate, conversion_rate FROM report.funnel",
             &reference::funnel}};
}

inline std::vector<view> compared_views()
{
    auto all = views_of_events();
    for (auto& views : {views_of_people(), views_of_companies_and_addresses(), views_of_the_site()})
        all.insert(all.end(), views.begin(), views.end());
    return all;
}

} // namespace gateway::test
