// `webhooks list | create | update | enable | disable | delete`: Attentive's management API at the
// shell. What changes is said in full, before it changes with --dry-run.
#include "gateway/client/webhooks.hpp"
#include "app/commands/commands.hpp"
#include "app/config/secrets.hpp"
#include "app/console/exit_code.hpp"

#include <cstdio>

namespace gateway {
namespace {

result<webhook_api> access_of(const webhook_access_options& options)
{
    webhook_api api;
    BOOST_OUTCOME_TRY(api.token, read_secret(secret_source{
                                     options.token_file.string(), {}, options.token_environment}));
    if (!options.api_url.empty())
        api.url = options.api_url;
    if (!options.ca_file.empty())
        api.ca_file = options.ca_file;
    api.notice = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
    return api;
}

std::string joined(const std::vector<std::string>& events)
{
    std::string out;
    for (const auto& event : events)
        out += (out.empty() ? "" : " ") + event;
    return out;
}

// Event lists are long: a block for each webhook, which nothing is cut from.
void print(const webhook& w)
{
    const std::string state = w.disabled_at.empty() ? "enabled" : "disabled since " + w.disabled_at;
    std::printf("%s\n  id       %s\n  state    %s\n  type     %s\n  company  %s\n  events   %s\n\n",
                w.url.c_str(), w.id.c_str(), state.c_str(), w.type.c_str(), w.company_id.c_str(),
                joined(w.events).c_str());
}

int report_change(const result<webhook_change>& change, bool dry_run)
{
    if (!change)
        return report_failure(change.error());
    const auto& w = change.value().then;
    const char* const what = !change.value().changed ? "unchanged" : dry_run ? "would be" : "now";
    std::printf("%s: %s, %s, %s\n", what, w.url.c_str(),
                w.disabled_at.empty() ? "enabled" : "disabled", joined(w.events).c_str());
    return exit_ok;
}

int update(const webhooks_change_options& options, const webhook_update& what)
{
    const auto api = access_of(options.access);
    if (!api)
        return report_failure(api.error());
    return report_change(update_webhook(api.value(), options.which, what, options.dry_run),
                         options.dry_run);
}

} // namespace

int run_webhooks_list(const webhook_access_options& options)
{
    const auto api = access_of(options);
    if (!api)
        return report_failure(api.error());
    const auto all = list_webhooks(api.value());
    if (!all)
        return report_failure(all.error());
    for (const auto& w : all.value())
        print(w);
    std::printf("webhooks: %zu\n", all.value().size());
    return exit_ok;
}

int run_webhooks_create(const webhooks_change_options& options)
{
    const auto api = access_of(options.access);
    if (!api)
        return report_failure(api.error());
    auto events = options.events;
    if (events.empty())
        events.assign(webhook_api_events().begin(), webhook_api_events().end());
    return report_change(create_webhook(api.value(), options.which, events, options.dry_run),
                         options.dry_run);
}

int run_webhooks_update(const webhooks_change_options& options)
{
    return update(options, {options.events, std::nullopt});
}

int run_webhooks_enable(const webhooks_change_options& options)
{
    return update(options, {std::nullopt, false});
}

int run_webhooks_disable(const webhooks_change_options& options)
{
    return update(options, {std::nullopt, true});
}

int run_webhooks_delete(const webhooks_change_options& options)
{
    const auto api = access_of(options.access);
    if (!api)
        return report_failure(api.error());
    const auto gone = delete_webhook(api.value(), options.which, options.dry_run);
    if (!gone)
        return report_failure(gone.error());
    std::printf("%s: %s\n", options.dry_run ? "would be deleted" : "deleted",
                gone.value().url.c_str());
    return exit_ok;
}

} // namespace gateway
