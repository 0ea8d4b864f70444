// Made-up subscribers and clicks; nothing here is anybody's data.
#include "support/events.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/store/stored_delivery.hpp"
#include "support/waiting.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <unordered_map>

namespace gateway::test {

namespace {

constexpr std::string_view click_begin = R"({"type":"sms.message_link_click","number":)";
constexpr timestamp first_click{std::chrono::milliseconds{1'763'000'000'000}}; // November 2025

std::mutex given_mutex;
std::unordered_map<std::string, normalized> given_by_body;

} // namespace

void give(const given_event& e)
{
    const std::lock_guard lock{given_mutex};
    given_by_body.insert_or_assign(e.delivery.body(), e.what);
}

normalized as_given(const verified_delivery& d)
{
    const std::lock_guard lock{given_mutex};
    return given_by_body.at(d.body());
}

normalized as_known(const verified_delivery& d)
{
    {
        const std::lock_guard lock{given_mutex};
        if (const auto found = given_by_body.find(d.body()); found != given_by_body.end())
            return found->second;
    }
    return d.body().find(click_begin) == 0 ? as_click(d) : normalize_delivery(d);
}

verified_delivery delivery_of(const std::string& body, const std::string& endpoint)
{
    return stored_delivery::rebuild(
        {.endpoint = endpoint, .body = body, .signatures = {}, .received_at = now()}, "2026-11");
}

given_event click(int number, std::size_t body_bytes)
{
    const std::string n = std::to_string(number);
    source_event e;
    e.company_id = "MDc6Q29tcGFueTU";
    e.occurred_at = first_click + std::chrono::milliseconds{number};
    e.event_id = uuid_from_digest(sha256("event " + n));
    e.event_name = "sms.link_clicked";
    e.channel = "sms";
    e.action = "link_clicked";
    e.source = "attentive";
    e.source_event_type = "sms.message_link_click";
    e.company_name = "Example Outfitters";
    e.subscriber_id = uuid_from_digest(sha256("subscriber " + std::to_string(number % 20'000)));
    e.identifiers = {{"attentive_external_id", {std::to_string(115'630'000 + number % 20'000)}},
                     {"phone", {"+1415555" + std::to_string(1'000 + number % 9'000)}},
                     {"email", {"subscriber" + std::to_string(number % 20'000) + "@example.com"}}};
    e.message_id = "MDc6TWVzc2FnZTEyNzI1MA";
    e.message_key = "Message:127250";
    e.message_type = "ONE_TIME";
    e.message_name = "Welcome message " + std::to_string(number % 50);
    e.link_id = "MTY6TWVzc2FnZUxpbmtDbGljazI";
    e.link_url = "https://shop.example.com/sale?utm_source=attentive&utm_medium=sms&n=" + n;
    e.link_host = "shop.example.com";
    e.link_path = "/sale";
    e.utm_source = "attentive";
    e.utm_medium = "sms";
    e.utm_campaign = "autumn";
    e.mapping_version = 1;
    std::string body = std::string{click_begin} + n + ",\"filler\":\"";
    body.append(body.size() < body_bytes ? body_bytes - body.size() : 0, 'x');
    return {delivery_of(body + "\"}"), std::move(e)};
}

normalized as_click(const verified_delivery& d)
{
    return click(std::stoi(d.body().substr(d.body().find("\"number\":") + 9))).what;
}

given_event poison(int number)
{
    given_event e = click(number);
    std::get<source_event>(e.what).message_text = std::string{"a\0b", 3};
    return e;
}

given_event refused(const std::string& body)
{
    return {delivery_of(body),
            quarantined{.reason = quarantine_reason::type_unknown,
                        .faults = {{.field = "type", .found = "text", .expected = "a type"}}}};
}

void answers::submit(writer& w, given_event e)
{
    std::size_t index = 0;
    {
        const std::lock_guard lock{mutex_};
        index = received_.size();
        received_.emplace_back();
        ++missing_;
    }
    give(e);
    w.submit(std::move(e.delivery), [this, index](result<receipt> r) {
        const std::lock_guard lock{mutex_};
        if (received_[index])
            throw std::logic_error{"answered twice"};
        received_[index] = std::move(r);
        --missing_;
        changed_.notify_all();
    });
}

std::vector<result<receipt>> answers::all(std::chrono::milliseconds limit)
{
    std::unique_lock lock{mutex_};
    if (!changed_.wait_for(lock, limit, [this] { return missing_ == 0; }))
        throw std::runtime_error{std::to_string(missing_) + " answers are missing"};
    std::vector<result<receipt>> out;
    for (const auto& r : received_)
        out.push_back(*r);
    return out;
}

std::size_t answers::count(disposition what)
{
    const auto received = all();
    return static_cast<std::size_t>(
        std::count_if(received.begin(), received.end(),
                      [what](const auto& r) { return r.has_value() && r.value().what == what; }));
}

std::size_t answers::failed()
{
    const auto received = all();
    return static_cast<std::size_t>(std::count_if(received.begin(), received.end(),
                                                  [](const auto& r) { return r.has_error(); }));
}

writer_settings settings_for(const std::string& url, std::size_t threads)
{
    writer_settings s;
    s.database_url = url;
    s.map = as_given;
    s.threads = threads;
    return s;
}

void await_available(const writer& w)
{
    if (!becomes([&w] { return w.available(); }))
        throw std::runtime_error{"the writer has no connection"};
}

} // namespace gateway::test
