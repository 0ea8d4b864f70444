// Attentive's management API: which webhooks an app has, and changing them from the shell. Only
// subscription webhooks are reached by it; a universal webhook is edited in Attentive's UI.
// Source: Attentive, "Webhooks API": GET, POST, PUT and DELETE of /v1/webhooks.
#pragma once

#include "gateway/base/result.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

inline constexpr std::string_view webhook_api_url = "https://api.attentivemobile.com/v1";

// The provider's types that the API documents; the other three are documented for the UI only.
const std::vector<std::string_view>& webhook_api_events();

struct webhook_api {
    std::string url{webhook_api_url};
    std::string token;                            // with the scope webhooks:write
    std::optional<std::filesystem::path> ca_file; // PEM; the system's store when absent
    std::chrono::milliseconds timeout{10'000};    // of one request
    int tries_max = 5;                            // of one request; 429, 5xx and broken connections
    std::chrono::milliseconds first_pause{500};   // then twice as long each time, with jitter
    std::function<void(const std::string&)> notice; // told of each pause, in words; may be empty
};

struct webhook {
    std::string id; // empty when the answer to its creation lacked it
    std::string url;
    std::string type;
    std::vector<std::string> events;
    std::string company_id;
    std::string disabled_at; // empty: enabled
};

// All webhooks of the app. Blocks, as all below. Fails with config_invalid (URL, token, CA file)
// or network_failed, saying what Attentive answered and what to do.
result<std::vector<webhook>> list_webhooks(const webhook_api& api);

struct webhook_change {
    webhook then;         // as it is now, or would be (dry run)
    bool changed = false; // false: it was so before
};

// Registers `url` for `events`, unless it is registered: then nothing changes, and a difference in
// events fails. Creation is not idempotent there, so that after a broken connection or a 5xx the
// list is read again before a second try.
result<webhook_change> create_webhook(const webhook_api& api, const std::string& url,
                                      const std::vector<std::string>& events, bool dry_run);

// What is left out stays.
struct webhook_update {
    std::optional<std::vector<std::string>> events;
    std::optional<bool> disabled;
};

// Changes the webhook whose id or URL is `which`. Fails with network_failed when there is none, or
// more than one with that URL.
result<webhook_change> update_webhook(const webhook_api& api, const std::string& which,
                                      const webhook_update& update, bool dry_run);

// Deletes the webhook whose id or URL is `which`, and returns it as it was.
result<webhook> delete_webhook(const webhook_api& api, const std::string& which, bool dry_run);

} // namespace gateway
