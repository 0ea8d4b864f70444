// See story_store.hpp.
#include "support/story_store.hpp"

#include "app/commands/told_story.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "gateway/store/writer.hpp"
#include "support/cluster.hpp"
#include "support/events.hpp"
#include "support/reference.hpp"

#include <atomic>
#include <stdexcept>

namespace gateway::test {

std::size_t store_story(const std::string& url, const std::vector<story_event>& story)
{
    const auto stored_events = [&] {
        return std::stoul(value(url, "SELECT count(*) FROM gateway.source_event"
                                     " WHERE source = 'attentive'"));
    };
    const auto before = stored_events();
    writer_settings settings = settings_for(url);
    settings.map = normalize_delivery;
    settings.inbox_events_max = story.size() + 1; // all of it at once
    settings.inbox_bytes_max = std::size_t{1} << 40U;
    std::atomic<std::size_t> stored{0};
    std::atomic<std::size_t> failed{0};
    {
        writer w{settings};
        await_available(w);
        for (const story_event& e : story) {
            if (is_attentives(e))
                w.submit(stored_delivery::rebuild({.endpoint = "attentive",
                                                   .body = story_body(e),
                                                   .signatures = {},
                                                   .received_at = e.at + story_delay(e)},
                                                  "2026-11"),
                         [&](const result<receipt>& r) {
                             ++(r && r.value().what == disposition::accepted ? stored : failed);
                         });
        }
    } // commits what is left
    if (failed > 0)
        throw std::runtime_error{std::to_string(failed) + " events of the story were not stored"};
    if (!record_events(url, tell(story).recorded))
        throw std::runtime_error{"the shop's events were not recorded"};
    apply_all(url, normalize_delivery);
    return stored_events() - before;
}

void project_all(const std::string& url)
{
    while (value(url, "SELECT events FROM gateway.project(100000)") != "0") {
    }
}

} // namespace gateway::test
