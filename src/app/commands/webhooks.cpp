// `webhooks list | create | update | enable | disable | delete`: Attentive's management API at the
// shell. What changes is said in full, before it changes with --dry-run.
#include "gateway/client/webhooks.hpp"
#include "app/commands/command.hpp"
#include "app/config/secrets.hpp"
#include "app/console/print.hpp"
#include "gateway/attentive/event_catalog.hpp"

namespace gateway {
namespace {

struct webhook_access {
    secret_source token;
    webhook_api api; // without the token

    void declare(option_list& options)
    {
        declare_secret(options, token, "token", "the API's token",
                       "Token with the scope webhooks:write, one of");
        options.value("--api-url", api.url, "URL", "Another server than Attentive's, for tests");
        options.value("--ca", api.ca_file, "FILE",
                      "PEM certificate to trust instead of the system's");
    }

    result<webhook_api> open() const
    {
        webhook_api opened = api;
        BOOST_OUTCOME_TRY(opened.token, read_secret(token));
        opened.notice = [](const std::string& text) { print_error("{}\n", text); };
        return opened;
    }
};

struct webhooks_list_command {
    webhook_access access;

    void declare(option_list& options) { access.declare(options); }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto api, access.open());
        BOOST_OUTCOME_TRY(const auto all, list_webhooks(api));
        for (const auto& w : all) // event lists are long: a block for each, nothing is cut
            print_out("{}\n  id       {}\n  state    {}\n  type     {}\n  company  {}\n"
                      "  events   {}\n\n",
                      w.url, w.id,
                      w.disabled_at.empty() ? "enabled" : "disabled since " + w.disabled_at, w.type,
                      w.company_id, fmt::join(w.events, " "));
        print_out("webhooks: {}\n", all.size());
        return exit_ok;
    }
};

// What changes one webhook, or says what would change.
struct webhook_change_command {
    webhook_access access;
    std::string which;               // URL; but for create also an id
    std::vector<std::string> events; // empty: those that the API documents, or as they are
    bool dry_run = false;

    void declare(option_list& options)
    {
        declare_which(options);
        declare_rest(options);
    }

    void declare_which(option_list& options)
    {
        options.value("URL", which, "", "Of the webhook, or its id").required();
    }

    option declare_events(option_list& options)
    {
        return options.values("--event", events, "TYPE", "Event type; repeat for more")
            .one_of({event_type_names().begin(), event_type_names().end()});
    }

    void declare_rest(option_list& options)
    {
        options.flag("--dry-run", dry_run, "Say what would change, change nothing");
        access.declare(options);
    }

    int report(const webhook_change& change) const
    {
        const webhook& w = change.then;
        print_out("{}: {}, {}, {}\n",
                  !change.changed ? "unchanged"
                  : dry_run       ? "would be"
                                  : "now",
                  w.url, w.disabled_at.empty() ? "enabled" : "disabled", fmt::join(w.events, " "));
        return exit_ok;
    }

    result<int> update(const webhook_update& what) const
    {
        BOOST_OUTCOME_TRY(const auto api, access.open());
        BOOST_OUTCOME_TRY(const auto change, update_webhook(api, which, what, dry_run));
        return report(change);
    }
};

struct webhooks_create_command : webhook_change_command {
    void declare(option_list& options)
    {
        declare_which(options);
        declare_events(options);
        declare_rest(options);
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto api, access.open());
        const auto& documented = webhook_api_events();
        const auto wanted = !events.empty()
                                ? events
                                : std::vector<std::string>{documented.begin(), documented.end()};
        BOOST_OUTCOME_TRY(const auto change, create_webhook(api, which, wanted, dry_run));
        return report(change);
    }
};

struct webhooks_update_command : webhook_change_command {
    void declare(option_list& options)
    {
        declare_which(options);
        declare_events(options).required();
        declare_rest(options);
    }

    result<int> run() const { return update({events, std::nullopt}); }
};

struct webhooks_enable_command : webhook_change_command {
    result<int> run() const { return update({std::nullopt, false}); }
};

struct webhooks_disable_command : webhook_change_command {
    result<int> run() const { return update({std::nullopt, true}); }
};

struct webhooks_delete_command : webhook_change_command {
    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto api, access.open());
        BOOST_OUTCOME_TRY(const auto gone, delete_webhook(api, which, dry_run));
        print_out("{}: {}\n", dry_run ? "would be deleted" : "deleted", gone.url);
        return exit_ok;
    }
};

// Of what takes nothing but the webhook.
command_text done_to_one(const std::string& verb, const char* summary)
{
    return {"webhooks " + verb, "URL (--token-file FILE | --token-env NAME) [--dry-run]", summary,
            fmt::format(R"(
Example:
  attentive-gateway webhooks {} https://gateway.example.com/webhooks/attentive \
      --token-file api-token
)",
                        verb)};
}

} // namespace

std::vector<command> webhooks_commands()
{
    return {
        command_group("webhooks",
                      "At Attentive's API: list, create, update, enable, disable, delete"),
        subcommand<webhooks_list_command>({"webhooks list",
                                           "(--token-file FILE | --token-env NAME)",
                                           "List the webhooks that Attentive has for your app",
                                           R"(
Example:
  attentive-gateway webhooks list --token-file api-token
)"}),
        subcommand<webhooks_create_command>(
            {"webhooks create",
             "URL (--token-file FILE | --token-env NAME) [--event TYPE]... [--dry-run]",
             "Register a subscription webhook, unless its URL is registered",
             R"(
Without --event: all types that Attentive documents for its API. It documents three more
(sms.unsubscribed, sms.inbound_message, email.sent) for its UI only; name them here to try.

Example:
  attentive-gateway webhooks create https://gateway.example.com/webhooks/attentive \
      --token-file api-token --dry-run
)"}),
        subcommand<webhooks_update_command>({"webhooks update",
                                             "URL --event TYPE [--event TYPE]... (--token-file "
                                             "FILE | --token-env NAME) [--dry-run]",
                                             "Choose the event types of a webhook",
                                             R"(
The types given replace those that it had.

Example:
  attentive-gateway webhooks update https://gateway.example.com/webhooks/attentive \
      --event sms.subscribed --event sms.sent --token-file api-token
)"}),
        subcommand<webhooks_enable_command>(
            done_to_one("enable", "Switch a webhook on again, after Attentive or you switched it "
                                  "off")),
        subcommand<webhooks_disable_command>(
            done_to_one("disable", "Switch a webhook off; what happens meanwhile is never sent")),
        subcommand<webhooks_delete_command>(
            done_to_one("delete", "Remove a webhook; what happens from then on is never sent")),
    };
}

} // namespace gateway
