// How fast the reports are on a long log: a year's story of three companies through the real
// normalizer, writer and projector, then the median of five runs of every view, by company and
// 30 days. Usage: report_bench [people [directory]]; 85000 people are about 5.3 million events.
// What is made in a directory stays there, and is measured again by a later call.
#include "gateway/store/embedded_cluster.hpp"
#include "gateway/store/migrations.hpp"
#include "gateway/store/report.hpp"
#include "support/cluster.hpp"
#include "support/story_store.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace gateway;
using namespace gateway::test;
using steady = std::chrono::steady_clock;

double seconds_since(steady::time_point start)
{
    return std::chrono::duration<double>(steady::now() - start).count();
}

// In parts, so that memory holds a part.
void tell(const std::string& url, std::uint64_t people)
{
    constexpr std::uint64_t part = 2'000;
    const auto start = steady::now();
    const timestamp until = now();
    std::size_t events = 0;
    for (std::uint64_t first = 0; first < people; first += part) {
        story_settings s;
        s.companies = 3;
        s.days = 365;
        s.until = until;
        s.first_person = first;
        s.people = std::min(part, people - first);
        const auto story = tell_story(s);
        store_story(url, story);
        events += story.size();
        std::fprintf(stderr, "\r%zu events, %.0f s", events, seconds_since(start));
    }
    project_all(url);
    test::query(url, "VACUUM ANALYZE");
    std::fprintf(stderr, "\r%zu events stored and projected in %.0f s\n", events,
                 seconds_since(start));
}

// What a dashboard asks of the view; each row is read whole.
std::string question(const std::string& url, const std::string& view)
{
    const std::string columns =
        value(url, "SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attnum > 0"
                   " AND attrelid = 'report." +
                       view + "'::regclass");
    const auto has = [&](const std::string& name) {
        return (" " + columns + " ").find(" " + name + " ") != std::string::npos;
    };
    std::string sql = "SELECT count(*), sum(hashtext(r::text)) FROM (SELECT * FROM report." + view +
                      " WHERE true";
    if (has("company_id"))
        sql += " AND company_id = '" + story_company_id(0) + "'";
    if (view == "subscriber_timeline")
        sql += " AND profile_id = (SELECT profile_id FROM gateway.identity WHERE company_id = '" +
               story_company_id(0) + "' LIMIT 1)";
    else if (has("occurred_at"))
        sql += " AND occurred_at >= now() - interval '30 days'";
    else if (has("clicked_at"))
        sql += " AND clicked_at >= now() - interval '30 days'";
    else if (has("day"))
        sql += " AND day >= current_date - 30";
    if (view == "source_event")
        sql += " ORDER BY occurred_at DESC LIMIT 1000";
    return sql + ") r";
}

double median_milliseconds(const std::string& url, const std::string& sql)
{
    std::vector<double> runs;
    for (int n = 0; n < 5; ++n) {
        const auto start = steady::now();
        test::query(url, sql);
        runs.push_back(1'000 * seconds_since(start));
    }
    std::sort(runs.begin(), runs.end());
    return runs[2];
}

// A cluster that stays where it is, with our schema.
embedded_cluster open_cluster(const char* directory)
{
    auto cluster = embedded_cluster::start(directory);
    if (cluster) {
        if (const auto migrated = migrate(cluster.value().url()); !migrated) {
            std::fprintf(stderr, "%s\n", migrated.error().detail.c_str());
            std::exit(1);
        }
        return std::move(cluster).value();
    }
    std::fprintf(stderr, "%s\n", cluster.error().detail.c_str());
    std::exit(1);
}

} // namespace

int main(int argc, char** argv)
{
    const std::uint64_t people = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 85'000;
    std::optional<embedded_cluster> lasting;
    if (argc > 2)
        lasting.emplace(open_cluster(argv[2]));
    const std::string url = lasting ? lasting->url() : fresh_database();
    // As migrate does; a copy of a template does not take the setting over.
    test::set_for_database(url, "jit", "off");
    if (value(url, "SELECT count(*) FROM gateway.company") == "0")
        tell(url, people);
    const auto views = list_reports(url);
    for (const auto& view : views.value())
        std::printf("%-26s %8.1f ms\n", view.name.c_str(),
                    median_milliseconds(url, question(url, view.name)));
    return 0;
}
