// One connection, one request at a time, tried again where that cannot do harm. Answers are read
// tolerantly: what a webhook lacks is empty.
#include "gateway/client/webhooks.hpp"

#include "client/sender_connection.hpp"
#include "gateway/base/backoff.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <thread>

namespace gateway {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds pause_max{60'000};
constexpr std::size_t told_bytes_max = 300;

// Ambiguous: the request may have been carried out, though nobody heard so.
enum class repeat { always, unless_ambiguous };

struct request {
    std::string method;
    std::string path; // below the API's URL
    std::string body;
    repeat again = repeat::always;
};

bool is_token(const std::string& token)
{
    return !token.empty() &&
           std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// What the other side says went wrong, fit for a terminal.
std::string told(const std::string& body)
{
    const auto document = json::parse(body, nullptr, false);
    std::string text;
    for (const char* key : {"message", "error", "errorMessage"}) {
        if (text.empty() && document.is_object() && document.contains(key) &&
            document[key].is_string())
            text = document[key].get<std::string>();
    }
    text.resize(std::min(text.size(), told_bytes_max));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
    return text.empty() ? text : ": " + text;
}

error refused(const http_answer& answer)
{
    const std::string what =
        "Attentive answered " + std::to_string(answer.status) + told(answer.body);
    switch (answer.status) {
    case 401: return fail(errc::network_failed, what + "; check the token");
    case 403:
        return fail(errc::network_failed, what + "; the token needs the scope webhooks:write");
    case 404:
        return fail(errc::network_failed, what + "; there is no such webhook, or no such API");
    case 429: return fail(errc::network_failed, what + "; too many requests, try again later");
    default: return fail(errc::network_failed, what);
    }
}

class api_connection {
public:
    api_connection(const webhook_api& api, destination to, std::shared_ptr<asio::ssl::context> tls)
        : api_(api), to_(std::move(to)), connection_(io_, to_, std::move(tls))
    {
    }

    // The first answer that is neither 429 nor 5xx, or the last failure. A request that may not be
    // repeated ends with status 0 when it is open whether it was carried out.
    result<http_answer> call(const request& r)
    {
        const std::string text = text_of(r);
        backoff pause{api_.first_pause, pause_max};
        for (int tries = 1;; ++tries) {
            const auto got = attempt(text);
            const bool limited = got && got.value().status == 429;
            if (got && !limited && got.value().status < 500)
                return got;
            if (!limited && r.again == repeat::unless_ambiguous)
                return http_answer{};
            const error why = got ? refused(got.value()) : got.error();
            if (tries >= api_.tries_max)
                return why;
            wait(why.detail, got ? got.value().retry_after : std::string{}, pause.next());
        }
    }

private:
    std::string text_of(const request& r) const
    {
        std::string base = to_.target;
        while (!base.empty() && base.back() == '/')
            base.pop_back();
        return r.method + " " + base + r.path + " HTTP/1.1\r\nHost: " + to_.authority +
               "\r\nUser-Agent: attentive-gateway\r\nAccept: application/json\r\n"
               "Authorization: Bearer " +
               api_.token + "\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(r.body.size()) + "\r\n\r\n" + r.body;
    }

    result<http_answer> attempt(const std::string& text)
    {
        result<http_answer> got = fail(errc::network_failed, "no answer");
        if (connection_.is_stale())
            connection_.close();
        const auto deadline = std::chrono::steady_clock::now() + api_.timeout;
        connection_.set_deadline(deadline);
        asio::co_spawn(io_, exchange(text, got), [](const std::exception_ptr& e) {
            if (e)
                std::rethrow_exception(e); // out of memory
        });
        io_.restart();
        io_.run_until(deadline);
        connection_.expire(std::chrono::steady_clock::now());
        io_.run();
        return got;
    }

    // `got` is a parameter because co_spawn() would default-construct the result of a coroutine
    // that throws.
    asio::awaitable<void> exchange(const std::string& text, result<http_answer>& got)
    {
        if (!connection_.is_open()) {
            const auto opened = co_await connection_.open();
            if (!opened) {
                got = opened.error();
                co_return;
            }
        }
        got = co_await connection_.exchange(text);
    }

    // For `pause`, unless the server names a longer time.
    void wait(const std::string& why, const std::string& retry_after, milliseconds pause)
    {
        unsigned seconds = 0;
        const char* const end = retry_after.data() + retry_after.size();
        if (std::from_chars(retry_after.data(), end, seconds).ec == std::errc{})
            pause =
                std::min(std::max(pause, milliseconds{std::int64_t{seconds} * 1'000}), pause_max);
        if (api_.notice)
            api_.notice(why + "; again in " + std::to_string(pause.count()) + " ms");
        std::this_thread::sleep_for(pause);
    }

    const webhook_api& api_;
    const destination to_;
    asio::io_context io_;
    sender_connection connection_;
};

result<std::unique_ptr<api_connection>> connect(const webhook_api& api)
{
    if (!is_token(api.token))
        return fail(errc::config_invalid, "the token is empty or holds blanks");
    BOOST_OUTCOME_TRY(auto to, resolve_url(api.url));
    BOOST_OUTCOME_TRY(auto tls, make_client_tls(api.ca_file, false));
    return std::make_unique<api_connection>(api, std::move(to), std::move(tls));
}

std::string text_at(const json& from, const char* key)
{
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

webhook webhook_of(const json& from)
{
    webhook w{text_at(from, "id"),        text_at(from, "url"),       text_at(from, "type"), {},
              text_at(from, "companyId"), text_at(from, "disabledAt")};
    const auto events = from.find("events");
    if (events == from.end() || !events->is_array())
        return w;
    for (const auto& event : *events) {
        if (event.is_string())
            w.events.push_back(event.get<std::string>());
    }
    return w;
}

result<std::vector<webhook>> list(api_connection& to)
{
    BOOST_OUTCOME_TRY(const auto answer, to.call({"GET", "/webhooks", {}}));
    if (answer.status != 200)
        return refused(answer);
    const auto document = json::parse(answer.body, nullptr, false);
    const auto found = document.is_object() ? document.find("webhooks") : document.end();
    if (!document.is_object() || found == document.end() || !found->is_array())
        return fail(errc::network_failed,
                    "the answer is no list of webhooks: is that URL the API's?");
    std::vector<webhook> all;
    for (const auto& entry : *found) {
        if (entry.is_object())
            all.push_back(webhook_of(entry));
    }
    return all;
}

// The one that `which` names: by id first, then by URL.
result<webhook> find(const std::vector<webhook>& all, const std::string& which)
{
    std::vector<const webhook*> found;
    for (const auto& w : all) {
        if (w.id == which)
            return w;
        if (w.url == which)
            found.push_back(&w);
    }
    if (found.size() == 1)
        return *found.front();
    return fail(errc::network_failed,
                found.empty() ? "no webhook has this id or URL: see webhooks list"
                              : "more than one webhook has this URL: name one by its id");
}

std::vector<std::string> sorted(std::vector<std::string> events)
{
    std::sort(events.begin(), events.end());
    events.erase(std::unique(events.begin(), events.end()), events.end());
    return events;
}

std::string path_of(const webhook& w)
{
    return "/webhooks/" + boost::urls::encode(w.id, boost::urls::unreserved_chars);
}

// The list names the webhook that a creation left in doubt, and the id that its answer lacked.
result<std::optional<webhook>> registered(api_connection& to, const std::string& url)
{
    BOOST_OUTCOME_TRY(const auto all, list(to));
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const webhook& w) { return w.url == url; });
    return found == all.end() ? std::nullopt : std::optional{*found};
}

} // namespace

const std::vector<std::string_view>& webhook_api_events()
{
    static const std::vector<std::string_view> events = {
        "sms.subscribed",         "sms.sent",
        "sms.message_link_click", "email.subscribed",
        "email.unsubscribed",     "email.message_link_click",
        "email.opened",           "custom_attribute.set"};
    return events;
}

result<std::vector<webhook>> list_webhooks(const webhook_api& api)
{
    BOOST_OUTCOME_TRY(const auto to, connect(api));
    return list(*to);
}

result<webhook_change> create_webhook(const webhook_api& api, const std::string& url,
                                      const std::vector<std::string>& events, bool dry_run)
{
    BOOST_OUTCOME_TRY(const auto to, connect(api));
    for (int tries = 1;; ++tries) {
        BOOST_OUTCOME_TRY(const auto known, registered(*to, url));
        if (known && sorted(known->events) == sorted(events))
            return webhook_change{*known, tries > 1};
        if (known)
            return fail(errc::network_failed,
                        "this URL is registered for other events: see webhooks update");
        if (dry_run)
            return webhook_change{{{}, url, {}, events, {}, {}}, true};
        const json body = {{"url", url}, {"events", events}};
        BOOST_OUTCOME_TRY(const auto answer,
                          to->call({"POST", "/webhooks", body.dump(), repeat::unless_ambiguous}));
        if (answer.status == 201 || answer.status == 200) {
            BOOST_OUTCOME_TRY(const auto made, registered(*to, url));
            if (made)
                return webhook_change{*made, true};
            return fail(errc::network_failed, "Attentive said created, and does not list it");
        }
        if (answer.status != 0)
            return refused(answer);
        if (tries == api.tries_max)
            return fail(errc::network_failed, "Attentive gave no answer, and does not list it");
    }
}

result<webhook_change> update_webhook(const webhook_api& api, const std::string& which,
                                      const webhook_update& update, bool dry_run)
{
    BOOST_OUTCOME_TRY(const auto to, connect(api));
    BOOST_OUTCOME_TRY(const auto all, list(*to));
    BOOST_OUTCOME_TRY(auto then, find(all, which));
    const bool disabled = !then.disabled_at.empty();
    const bool wanted = update.disabled.value_or(disabled);
    const auto events = update.events.value_or(then.events);
    if (wanted == disabled && sorted(events) == sorted(then.events))
        return webhook_change{then, false};
    then.events = events;
    then.disabled_at = wanted ? (disabled ? then.disabled_at : "now") : "";
    if (dry_run)
        return webhook_change{then, true};
    const json body = {{"url", then.url}, {"events", events}, {"disabled", wanted}};
    BOOST_OUTCOME_TRY(const auto answer, to->call({"PUT", path_of(then), body.dump()}));
    if (answer.status != 200)
        return refused(answer);
    return webhook_change{then, true};
}

result<webhook> delete_webhook(const webhook_api& api, const std::string& which, bool dry_run)
{
    BOOST_OUTCOME_TRY(const auto to, connect(api));
    BOOST_OUTCOME_TRY(const auto all, list(*to));
    BOOST_OUTCOME_TRY(auto gone, find(all, which));
    if (dry_run)
        return gone;
    BOOST_OUTCOME_TRY(const auto answer, to->call({"DELETE", path_of(gone), {}}));
    if (answer.status != 204 && answer.status != 200 && answer.status != 404)
        return refused(answer);
    return gone;
}

} // namespace gateway
