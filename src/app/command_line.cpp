#include "gateway/app/command_line.hpp"

#include "app/commands/commands.hpp"
#include "app/config/installation.hpp"
#include "app/config/units.hpp"
#include "app/console/completion.hpp"
#include "app/console/did_you_mean.hpp"
#include "app/console/exit_code.hpp"
#include "app/console/log.hpp"
#include "gateway/attentive/event_catalog.hpp"
#include "gateway/store/read_models.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iterator>

namespace gateway {
namespace {

constexpr const char* version = GATEWAY_VERSION;

using action = std::function<int()>;

// Declares the options of one subcommand and returns what runs it.
using declaration = action (*)(CLI::App& app);

struct command {
    const char* name;
    const char* usage; // what follows the name
    const char* summary;
    const char* examples; // shown below the options
    declaration declare;
};

std::string config_meaning()
{
    return "Configuration (default: " + default_config_file().string() + ")";
}

void declare_config(CLI::App& app, std::filesystem::path& config)
{
    config = default_config_file();
    app.add_option("--config", config, config_meaning())->type_name("FILE");
}

// For commands that only ask the database: everybody under a user of their own.
void declare_database(CLI::App& app, database_options& options)
{
    app.add_option("--config", options.config, config_meaning())
        ->type_name("FILE")
        ->group("Database");
    app.add_option("--url", options.url, "Where and as whom instead: a URI of libpq")
        ->type_name("URL")
        ->group("Database");
}

action declare_serve(CLI::App& app)
{
    auto options = std::make_shared<serve_options>(); // shared by the parser and the action
    declare_config(app, options->config);
    app.add_flag("--migrate", options->migrate,
                 "Bring the database's schema up to date, as soon as it can be reached");
    return [options] { return run_serve(*options); };
}

action declare_migrate(CLI::App& app)
{
    auto options = std::make_shared<migrate_options>();
    declare_database(app, options->database);
    return [options] { return run_migrate(*options); };
}

action declare_check_config(CLI::App& app)
{
    auto options = std::make_shared<check_config_options>();
    options->config = default_config_file();
    app.add_option("FILE,--config", options->config, config_meaning())->type_name("FILE");
    return [options] { return run_check_config(*options); };
}

action declare_doctor(CLI::App& app)
{
    auto options = std::make_shared<doctor_options>();
    declare_config(app, options->config);
    return [options] { return run_doctor(*options); };
}

action declare_demo(CLI::App& app)
{
    auto options = std::make_shared<demo_options>();
    app.add_flag("--once", options->once, "Stop after showing the rows");
    app.add_option("--directory", options->directory,
                   "Where database, certificate and key are kept for the next start")
        ->type_name("DIR");
    return [options] { return run_demo(*options); };
}

void declare_key_and_body(CLI::App& app, send_options& options)
{
    auto* const key_file =
        app.add_option("--key-file", options.key_file, "File that holds the signing key");
    key_file->type_name("FILE")->group("Signing key, one of");
    auto* const key_environment =
        app.add_option("--key-env", options.key_environment, "Environment variable that holds it");
    key_environment->type_name("NAME")->group("Signing key, one of")->excludes(key_file);
    app.add_option("--type", options.type, "Event type, or \"all\" in turn (default: all)")
        ->type_name("TYPE")
        ->group("What");
    auto* const file =
        app.add_option("--body-file", options.body_file, "This file's bytes instead of a sample");
    file->type_name("FILE")->group("What")->excludes("--type");
    app.add_flag("--unique", options.unique, "Different bodies, made from the seed")
        ->group("What")
        ->excludes(file);
    app.add_option("--seed", options.seed, "The same seed makes the same bodies (default: 1)")
        ->type_name("N")
        ->group("What");
    app.parse_complete_callback([key_file, key_environment] {
        if (key_file->count() + key_environment->count() == 0)
            throw CLI::RequiredError{"--key-file or --key-env"};
    });
}

void declare_pace(CLI::App& app, send_options& options)
{
    app.add_option("--count", options.count, "Requests in all (default: each sample once)")
        ->type_name("N")
        ->group("How many, how fast")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
    app.add_option("--rate", options.rate, "Requests per second in all (default: no limit)")
        ->type_name("N")
        ->group("How many, how fast")
        ->check(CLI::Range(0.001, 1'000'000.0));
    app.add_option("--connections", options.connections, "Kept-alive connections (default: 1)")
        ->type_name("N")
        ->group("How many, how fast")
        ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}));
}

action declare_send(CLI::App& app)
{
    auto options = std::make_shared<send_options>();
    app.add_option("--url", options->url, "https://host[:port]/path; http to this machine only")
        ->required()
        ->type_name("URL");
    declare_key_and_body(app, *options);
    declare_pace(app, *options);
    auto* const ca = app.add_option("--ca", options->ca_file,
                                    "PEM certificate to trust instead of the system's");
    ca->type_name("FILE")->group("Trust and record");
    app.add_flag("--insecure", options->insecure, "Do not check the server's certificate")
        ->group("Trust and record")
        ->excludes(ca);
    app.add_option("--journal", options->journal,
                   "Overwrite FILE with a JSON line before each request and after its answer")
        ->type_name("FILE")
        ->group("Trust and record");
    std::string types = app.get_footer() + "\nTypes:\n";
    for (const std::string_view type : event_type_names())
        types += "  " + std::string{type} + "\n";
    app.footer(types);
    return [options] { return run_send(*options); };
}

// Throws what the parser shows as a usage error when `parsed` is nothing.
template <class T>
T valid(std::optional<T> parsed, const std::string& message)
{
    if (!parsed)
        throw CLI::ValidationError{message};
    return *parsed;
}

void declare_spool(CLI::App& app, spool_options& options)
{
    auto* const config = app.add_option("--config", options.config, config_meaning());
    config->type_name("FILE")->group("Spool, one of");
    app.add_option("--directory", options.directory, "The spool itself, or a copy of one")
        ->type_name("DIR")
        ->group("Spool, one of")
        ->excludes(config);
}

action declare_spool_status(CLI::App& app)
{
    auto options = std::make_shared<spool_options>();
    declare_spool(app, *options);
    return [options] { return run_spool_status(*options); };
}

action declare_spool_verify(CLI::App& app)
{
    auto options = std::make_shared<spool_options>();
    declare_spool(app, *options);
    return [options] { return run_spool_verify(*options); };
}

action declare_spool_drain(CLI::App& app)
{
    auto options = std::make_shared<spool_drain_options>();
    declare_config(app, options->config);
    return [options] { return run_spool_drain(*options); };
}

action declare_spool_export(CLI::App& app)
{
    auto options = std::make_shared<spool_export_options>();
    app.add_option("--to", options->to, "Directory to make and write to")
        ->required()
        ->type_name("DIR");
    declare_spool(app, options->from);
    return [options] { return run_spool_export(*options); };
}

void declare_filter(CLI::App& app, quarantine_filter& only)
{
    const auto reason = [&only](const std::string& text) {
        std::string known;
        for (const auto r : quarantine_reasons())
            known += (known.empty() ? "" : ", ") + std::string{name(r)};
        only.reason = valid(quarantine_reason_of(text), "--reason is one of: " + known);
    };
    const auto since = [&only](const std::string& text) {
        only.since = valid(parse_time(text), "--since is a day or a time, UTC: 2026-11-21 or "
                                             "2026-11-21T10:00:00Z");
    };
    app.add_option_function<std::string>("--reason", reason, "Only rows of this reason")
        ->type_name("REASON");
    app.add_option_function<std::string>("--since", since,
                                         "Only rows that came first at this day or time (UTC) or "
                                         "later")
        ->type_name("TIME");
}

action declare_quarantine_list(CLI::App& app)
{
    auto options = std::make_shared<quarantine_list_options>();
    declare_database(app, options->database);
    declare_filter(app, options->only);
    app.add_option("--limit", options->limit, "Rows to print, the newest (default: 50)")
        ->type_name("N")
        ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}));
    return [options] { return run_quarantine_list(*options); };
}

constexpr const char* id_expected = "an id is a UUID, as quarantine list prints it";

action declare_quarantine_show(CLI::App& app)
{
    auto options = std::make_shared<quarantine_show_options>();
    declare_database(app, options->database);
    const auto id = [options](const std::string& text) {
        options->id = valid(uuid_from_text(text), id_expected);
    };
    app.add_option_function<std::string>("ID", id, "Of the row")->required()->type_name("");
    app.add_flag("--body", options->body, "Print the kept bytes, and nothing else");
    return [options] { return run_quarantine_show(*options); };
}

action declare_quarantine_replay(CLI::App& app)
{
    auto options = std::make_shared<quarantine_replay_options>();
    declare_database(app, options->database);
    const auto id = [options](const std::string& text) {
        options->only.id = valid(uuid_from_text(text), id_expected);
    };
    app.add_option_function<std::string>("--id", id, "Only this row")->type_name("ID");
    declare_filter(app, options->only);
    app.add_flag("--dry-run", options->dry_run, "Say what would become of them, write nothing");
    return [options] { return run_quarantine_replay(*options); };
}

void declare_access(CLI::App& app, webhook_access_options& options)
{
    auto* const file =
        app.add_option("--token-file", options.token_file, "File that holds the API's token");
    file->type_name("FILE")->group("Token with the scope webhooks:write, one of");
    auto* const environment = app.add_option("--token-env", options.token_environment,
                                             "Environment variable that holds it");
    environment->type_name("NAME")
        ->group("Token with the scope webhooks:write, one of")
        ->excludes(file);
    app.add_option("--api-url", options.api_url, "Another server than Attentive's, for tests")
        ->type_name("URL");
    app.add_option("--ca", options.ca_file, "PEM certificate to trust instead of the system's")
        ->type_name("FILE");
    app.parse_complete_callback([file, environment] {
        if (file->count() + environment->count() == 0)
            throw CLI::RequiredError{"--token-file or --token-env"};
    });
}

action declare_webhooks_list(CLI::App& app)
{
    auto options = std::make_shared<webhook_access_options>();
    declare_access(app, *options);
    return [options] { return run_webhooks_list(*options); };
}

template <int (*run)(const webhooks_change_options&), bool with_events>
action declare_webhooks_change(CLI::App& app)
{
    auto options = std::make_shared<webhooks_change_options>();
    app.add_option("URL", options->which, "Of the webhook, or its id")->required()->type_name("");
    if (with_events) {
        std::vector<std::string> known;
        for (const std::string_view type : event_type_names())
            known.emplace_back(type);
        app.add_option("--event", options->events, "Event type; repeat for more")
            ->type_name("TYPE")
            ->check(CLI::IsMember(known));
    }
    app.add_flag("--dry-run", options->dry_run, "Say what would change, change nothing");
    declare_access(app, options->access);
    return [options] { return run(*options); };
}

action declare_webhooks_update(CLI::App& app)
{
    action run = declare_webhooks_change<run_webhooks_update, true>(app);
    app.get_option("--event")->required();
    return run;
}

// A day or a time, UTC, as the value of `option`.
void declare_time(CLI::App& app, const std::string& option, std::optional<timestamp>& value,
                  const std::string& meaning)
{
    const auto read = [&value, option](const std::string& text) {
        value = valid(parse_time(text), option + " is a day or a time, UTC: 2026-11-21 or "
                                                 "2026-11-21T10:00:00Z");
    };
    app.add_option_function<std::string>(option, read, meaning)->type_name("TIME");
}

action declare_report(CLI::App& app)
{
    auto options = std::make_shared<report_options>();
    declare_database(app, options->database);
    app.add_option("NAME", options->name, "Of a report; without it they are listed")->type_name("");
    app.add_option("--company", options->company, "Only this company_id")->type_name("ID");
    declare_time(app, "--since", options->since, "Only rows of this day or time (UTC) or later");
    declare_time(app, "--until", options->until, "Only rows before this day or time (UTC)");
    app.add_option("--limit", options->limit, "Rows to print, the newest (default: 50)")
        ->type_name("N")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));
    const auto format = [options](const std::string& text) {
        if (text != "table" && text != "csv" && text != "json")
            throw CLI::ValidationError{"--format is one of: table, csv, json"};
        options->format = text == "csv"    ? report_format::csv
                          : text == "json" ? report_format::json
                                           : report_format::table;
    };
    app.add_option_function<std::string>("--format", format, "table, csv or json (default: table)")
        ->type_name("FORMAT");
    app.add_option("--columns", options->columns, "Only these, in this order")
        ->type_name("NAME,...")
        ->delimiter(',');
    return [options] { return run_report(*options); };
}

action declare_tail(CLI::App& app)
{
    auto options = std::make_shared<tail_options>();
    declare_database(app, options->database);
    app.add_option("--type", options->type, "Only events of this type, as sms.sent")
        ->type_name("TYPE");
    app.add_option("--company", options->company, "Only this company_id")->type_name("ID");
    auto* const lines = app.add_option("--lines", options->lines,
                                       "Begin with the newest of what is stored (default: 10)");
    lines->type_name("N")->check(CLI::Range(std::size_t{0}, std::size_t{100'000}));
    declare_time(app, "--since", options->since,
                 "Begin with all that was stored at this day or time (UTC) or later");
    app.get_option("--since")->excludes(lines);
    const auto format = [options](const std::string& text) { options->as_json = text == "json"; };
    app.add_option_function<std::string>("--format", format, "text or json (default: text)")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"text", "json"}));
    return [options] { return run_tail(*options); };
}

std::vector<std::string> subcommands_of(const CLI::App* app);
std::string unknown_subcommand(const std::string& name, const CLI::App* app);

action declare_help(CLI::App& app)
{
    auto words = std::make_shared<std::vector<std::string>>(); // shared by parser and action
    app.add_option("SUBCOMMAND", *words, "Which one's")->type_name("");
    return [&app, words] {
        const CLI::App* about = app.get_parent();
        std::string before; // the names of those above
        for (const std::string& word : *words) {
            const auto known = subcommands_of(about);
            if (std::find(known.begin(), known.end(), word) == known.end()) {
                std::fprintf(stderr, "%s%s: %s\n", before.c_str(), about->get_name().c_str(),
                             unknown_subcommand(word, about).c_str());
                return exit_usage;
            }
            before += about->get_name() + " ";
            about = about->get_subcommand(word);
        }
        const auto name = before + about->get_name();
        const auto text =
            about->get_formatter()->make_help(about, name, CLI::AppFormatMode::Normal);
        std::fputs(text.c_str(), stdout);
        return exit_ok;
    };
}

action declare_completion(CLI::App& app)
{
    auto shell = std::make_shared<std::string>(); // shared by the parser and the action
    app.add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->type_name("")
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    return [&app, shell] {
        std::fputs(completion_script(*app.get_parent(), *shell).c_str(), stdout);
        return exit_ok;
    };
}

action declare_erase(CLI::App& app)
{
    auto options = std::make_shared<erase_options>();
    declare_database(app, options->database);
    app.add_option("--company", options->company, "Their company_id")->required()->type_name("ID");
    const auto name_by = [&app, options](const std::string& option, const std::string& kind,
                                         const std::string& meaning) {
        const auto take = [options, kind](const std::string& value) {
            if (!options->kind.empty())
                throw CLI::ValidationError{"name the person by one identifier"};
            options->kind = kind;
            options->value = value;
        };
        return app.add_option_function<std::string>(option, take, meaning)
            ->type_name("V")
            ->group("The person, by one of");
    };
    name_by("--phone", "phone", "Phone number, E.164");
    name_by("--email", "email", "E-mail address");
    name_by("--external-id", "attentive_external_id", "Attentive's external_id");
    app.add_flag("--dry-run", options->dry_run, "Say what would go, write nothing");
    app.parse_complete_callback([options] {
        if (options->kind.empty())
            throw CLI::RequiredError{"--phone, --email or --external-id"};
    });
    return [options] { return run_erase(*options); };
}

action declare_retention(CLI::App& app)
{
    auto options = std::make_shared<retention_options>();
    declare_database(app, options->database);
    return [options] { return run_retention(*options); };
}

action declare_rebuild(CLI::App& app)
{
    auto options = std::make_shared<rebuild_options>();
    declare_database(app, options->database);
    app.add_option("--model", options->model,
                   "Only this one: company, identity, consent, message, engagement, feed")
        ->type_name("MODEL")
        ->check(CLI::IsMember(read_models()));
    return [options] { return run_rebuild(*options); };
}

void declare_subscriber(CLI::App& app, std::string& company, uuid& subscriber)
{
    app.add_option("--company", company, "company_id of the subscriber")
        ->required()
        ->type_name("ID");
    const auto id = [&subscriber](const std::string& text) {
        subscriber = valid(uuid_from_text(text), "--subscriber is a UUID: subscriber_id, as in "
                                                 "the log");
    };
    app.add_option_function<std::string>("--subscriber", id, "subscriber_id, as in the log")
        ->required()
        ->type_name("UUID");
}

action declare_identity_split(CLI::App& app)
{
    auto options = std::make_shared<identity_split_options>();
    declare_database(app, options->database);
    declare_subscriber(app, options->company, options->subscriber);
    app.add_option("--kind", options->kind,
                   "Only what identifiers of this kind join, such as phone (default: all)")
        ->type_name("KIND");
    app.add_flag("--undo", options->undo, "Take a split back");
    return [options] { return run_identity_split(*options); };
}

action declare_explain_identity(CLI::App& app)
{
    auto options = std::make_shared<explain_identity_options>();
    declare_database(app, options->database);
    declare_subscriber(app, options->company, options->subscriber);
    return [options] { return run_explain_identity(*options); };
}

action declare_verify(CLI::App& app)
{
    auto options = std::make_shared<verify_options>();
    app.add_option("--key-file", options->key_file, "File that holds the signing key")
        ->required()
        ->type_name("FILE");
    app.add_option("--signature", options->signature, "Value of the header x-attentive-hmac-sha256")
        ->required()
        ->type_name("HEX");
    return [options] { return run_verify(*options); };
}

action declare_explain(CLI::App&)
{
    return run_explain;
}

constexpr command commands[] = {
    {"serve", "[--config FILE] [--migrate]", "Receive webhooks until SIGTERM",
     "Examples:\n"
     "  attentive-gateway serve\n"
     "  attentive-gateway serve --config gateway.toml --migrate\n",
     declare_serve},
    {"migrate", "[--url URL]", "Bring the database's schema up to date",
     "Safe to repeat, and to run from several replicas at once. The user has to own the schema;\n"
     "--url is for where the gateway's own does not, and should not.\n\n"
     "Examples:\n"
     "  attentive-gateway migrate\n"
     "  sudo -u postgres attentive-gateway migrate --url postgresql:///attentive\n",
     declare_migrate},
    {"check-config", "[FILE]",
     "Say whether a configuration would be accepted, and what is wrong with it",
     "Reads the secrets too, but prints none. Every fault has its line and column.\n\n"
     "Example:\n"
     "  attentive-gateway check-config\n",
     declare_check_config},
    {"doctor", "[--config FILE]", "Look over all that a gateway on this host stands on",
     "Tries what the gateway does and takes it back: a batch, a file in the spool, both ports,\n"
     "handshakes. A line each. Exits with 1 when something loses or refuses events.\n\n"
     "Example:\n"
     "  attentive-gateway doctor\n",
     declare_doctor},
    {"demo", "[--once] [--directory DIR]",
     "Show the whole way on this machine: private database, TLS, 11 signed events",
     "Serves until Ctrl-C, so that you can send more.\n\n"
     "Examples:\n"
     "  attentive-gateway demo\n"
     "  attentive-gateway demo --once --directory /tmp/demo\n",
     declare_demo},
    {"send", "--url URL (--key-file FILE | --key-env NAME) [OPTIONS]",
     "Sign samples of Attentive's events and post them: a test event, or load",
     "Exits with 1 when any answer is not 2xx or missing.\n\n"
     "Examples:\n"
     "  One of each type:\n"
     "    attentive-gateway send --url https://gateway.example.com/webhooks/attentive \\\n"
     "        --key-file signing-key\n"
     "  Load: 10000 different events over 64 connections:\n"
     "    attentive-gateway send --url https://localhost:8443/webhooks/attentive --ca ca.pem \\\n"
     "        --key-env SIGNING_KEY --count 10000 --connections 64 --unique --seed 7\n",
     declare_send},
    {"spool status", "[--directory DIR]",
     "Say what waits in the local spool, and whether a gateway uses it",
     "Reads only, also while the gateway runs.\n\n"
     "Example:\n"
     "  attentive-gateway spool status\n",
     declare_spool_status},
    {"spool verify", "[--directory DIR]", "Check every row of every spool file",
     "Reads only, also while the gateway runs. Exits with 1 when a file is not whole.\n\n"
     "Example:\n"
     "  attentive-gateway spool verify --directory /var/lib/attentive-gateway/spool\n",
     declare_spool_verify},
    {"spool drain", "[--config FILE]",
     "Empty the spool into the database, with the gateway stopped",
     "A running gateway drains by itself. Safe to break off and to repeat.\n\n"
     "Example:\n"
     "  attentive-gateway spool drain\n",
     declare_spool_drain},
    {"spool export", "--to DIR [--directory DIR]",
     "Write what waits in the spool as JSON lines, and remove nothing",
     "Makes DIR (0700) with deliveries.jsonl (0600) in it: personal data. One object a line: n,\n"
     "endpoint, key_id, received_at, sha256 (of the bytes), body (the signed bytes in base64).\n\n"
     "Example:\n"
     "  attentive-gateway spool export --directory /var/lib/attentive-gateway/spool --to saved\n",
     declare_spool_export},
    {"quarantine list", "[--reason REASON] [--since TIME] [--limit N]",
     "List what is kept in quarantine and why, without bodies",
     "Example:\n"
     "  attentive-gateway quarantine list --since 2026-11-21\n",
     declare_quarantine_list},
    {"quarantine show", "ID [--body]", "Show one row of the quarantine, or its bytes",
     "Examples:\n"
     "  attentive-gateway quarantine show ID\n"
     "  attentive-gateway quarantine show ID --body | "
     "attentive-gateway explain\n",
     declare_quarantine_show},
    {"quarantine replay", "[--id ID] [--reason REASON] [--since TIME] [--dry-run]",
     "Map what is kept once more, and store what now is an event",
     "Without a restriction all that waits is tried. Safe to break off and to repeat: an event is\n"
     "stored once.\n\n"
     "Examples:\n"
     "  attentive-gateway quarantine replay --reason type_unknown "
     "--dry-run\n"
     "  attentive-gateway quarantine replay --reason type_unknown\n",
     declare_quarantine_replay},
    {"webhooks list", "(--token-file FILE | --token-env NAME)",
     "List the webhooks that Attentive has for your app",
     "Example:\n"
     "  attentive-gateway webhooks list --token-file api-token\n",
     declare_webhooks_list},
    {"webhooks create", "URL (--token-file FILE | --token-env NAME) [--event TYPE]... [--dry-run]",
     "Register a subscription webhook, unless its URL is registered",
     "Without --event: all types that Attentive documents for its API. It documents three more\n"
     "(sms.unsubscribed, sms.inbound_message, email.sent) for its UI only; name them here to "
     "try.\n\n"
     "Example:\n"
     "  attentive-gateway webhooks create https://gateway.example.com/webhooks/attentive \\\n"
     "      --token-file api-token --dry-run\n",
     declare_webhooks_change<run_webhooks_create, true>},
    {"webhooks update",
     "URL --event TYPE [--event TYPE]... (--token-file FILE | --token-env NAME) [--dry-run]",
     "Choose the event types of a webhook",
     "The types given replace those that it had.\n\n"
     "Example:\n"
     "  attentive-gateway webhooks update https://gateway.example.com/webhooks/attentive \\\n"
     "      --event sms.subscribed --event sms.sent --token-file api-token\n",
     declare_webhooks_update},
    {"webhooks enable", "URL (--token-file FILE | --token-env NAME) [--dry-run]",
     "Switch a webhook on again, after Attentive or you switched it off",
     "Example:\n"
     "  attentive-gateway webhooks enable https://gateway.example.com/webhooks/attentive \\\n"
     "      --token-file api-token\n",
     declare_webhooks_change<run_webhooks_enable, false>},
    {"webhooks disable", "URL (--token-file FILE | --token-env NAME) [--dry-run]",
     "Switch a webhook off; what happens meanwhile is never sent",
     "Example:\n"
     "  attentive-gateway webhooks disable https://gateway.example.com/webhooks/attentive \\\n"
     "      --token-file api-token\n",
     declare_webhooks_change<run_webhooks_disable, false>},
    {"webhooks delete", "URL (--token-file FILE | --token-env NAME) [--dry-run]",
     "Remove a webhook; what happens from then on is never sent",
     "Example:\n"
     "  attentive-gateway webhooks delete https://gateway.example.com/webhooks/attentive \\\n"
     "      --token-file api-token\n",
     declare_webhooks_change<run_webhooks_delete, false>},
    {"report",
     "[NAME] [--columns NAME,...] [--company ID] [--since TIME] [--until TIME] [--limit N] "
     "[--format FORMAT]",
     "Print one of the reports, or list them",
     "Needs the rights of gateway_reader. Rows come newest first. A table in a terminal leaves\n"
     "columns out until it fits; elsewhere, and in CSV and JSON, all of them are there.\n\n"
     "Examples:\n"
     "  attentive-gateway report\n"
     "  attentive-gateway report link_clicks_daily --since 2026-11-01\n"
     "  attentive-gateway report attributed_orders --format csv > "
     "orders.csv\n",
     declare_report},
    {"tail", "[--type TYPE] [--company ID] [--lines N | --since TIME] [--format FORMAT]",
     "Follow what is stored, a line for each event, without anything personal",
     "When it was received (UTC), company, event, subscriber, and the name of the message or the\n"
     "link's host. Needs the rights of gateway_reader. Ctrl-C ends it.\n\n"
     "Examples:\n"
     "  attentive-gateway tail --type sms.inbound_message\n"
     "  attentive-gateway tail --lines 0 --format json | jq .event_name\n",
     declare_tail},
    {"erase", "--company ID (--phone V | --email V | --external-id V) [--dry-run]",
     "Remove a person from everything that is stored",
     "Everybody who is one profile with the identifier. Counts in reports stay, nobody is behind\n"
     "them, and a delivery that comes again does not bring the person back. Needs the rights of\n"
     "gateway_privacy.\n\n"
     "Example:\n"
     "  attentive-gateway erase --company MDc6Q29tcGFueTU \\\n"
     "      --phone +12065550100 --dry-run\n",
     declare_erase},
    {"retention", "[--config FILE] [--url URL]",
     "Drop what is older than the configuration keeps it",
     "serve does so once a day.\n\n"
     "Example:\n"
     "  attentive-gateway retention\n",
     declare_retention},
    {"rebuild", "[--model MODEL]",
     "Make the read models again from the log, while the gateway serves",
     "Prints for each table its rows, and how many were wrong: removed and added. Needed after a\n"
     "change of gateway.identity_rule or identity_block, and to try batches again that were set\n"
     "aside. Not through a pooler in transaction mode.\n\n"
     "Examples:\n"
     "  attentive-gateway rebuild\n"
     "  attentive-gateway rebuild --model identity\n",
     declare_rebuild},
    {"identity split", "--company ID --subscriber UUID [--kind KIND] [--undo]",
     "Take a subscriber out of the profile it was merged into, for good",
     "Identifiers of the kind join it to nobody from now on, also after a rebuild. Prints the\n"
     "profiles of all who were together with it.\n\n"
     "Example:\n"
     "  attentive-gateway identity split --company MDc6Q29tcGFueTU \\\n"
     "      --subscriber de4b6290-5729-8030-88f1-09d878d95cfb --kind phone\n",
     declare_identity_split},
    {"explain-identity", "--company ID --subscriber UUID",
     "Show why subscribers are one profile: the identifiers they share, masked",
     "Example:\n"
     "  attentive-gateway explain-identity --company MDc6Q29tcGFueTU \\\n"
     "      --subscriber de4b6290-5729-8030-88f1-09d878d95cfb\n",
     declare_explain_identity},
    {"verify", "--key-file FILE --signature HEX < BODY",
     "Say whether a signature is right for the body on standard input, or why not",
     "Tries the usual mistakes, such as a newline too many or a decoded key.\n\n"
     "Example:\n"
     "  attentive-gateway verify --key-file signing-key --signature 9f86d0… < body.json\n",
     declare_verify},
    {"explain", "< BODY",
     "Show what the body on standard input becomes: the event, or what is wrong",
     "Needs no database. Exits with 1 when the body would go to quarantine.\n\n"
     "Example:\n"
     "  attentive-gateway explain < body.json\n",
     declare_explain},
    {"completion", "bash|zsh|fish", "Print what makes your shell complete subcommands and options",
     "The package installs all three.\n\n"
     "Example:\n"
     "  source <(attentive-gateway completion bash)\n",
     declare_completion},
    {"help", "[SUBCOMMAND]", "Print this overview, or the options and examples of a subcommand",
     "Example:\n"
     "  attentive-gateway help spool status\n",
     declare_help},
};

// Commands of two words stand below their first.
struct command_group {
    const char* name;
    const char* summary;
};

constexpr command_group groups[] = {
    {"spool", "What waits on this host: status, verify, drain, export"},
    {"quarantine", "What was kept but is no event: list, show, replay"},
    {"webhooks", "At Attentive's API: list, create, update, enable, disable, delete"},
    {"identity", "Who is one person: split"},
};

constexpr const char* overview =
    "Exit codes: 0 done, 1 failed, 2 arguments or configuration are wrong.\n"
    "The configuration is --config FILE, else $ATTENTIVE_GATEWAY_CONFIG, else\n"
    "/etc/attentive-gateway/gateway.toml.\n\n"
    "Start here:\n"
    "  attentive-gateway demo                      see it work on this machine\n"
    "  attentive-gateway check-config gateway.toml\n"
    "  attentive-gateway help SUBCOMMAND           options and examples of one\n";

// "spool status"; empty for the program itself.
std::string full_name(const CLI::App* app)
{
    if (app->get_parent() == nullptr)
        return {};
    const std::string before = full_name(app->get_parent());
    return before.empty() ? app->get_name() : before + " " + app->get_name();
}

// CLI11's help, but for usage lines of our own and options without the parser's rules, which the
// descriptions already say in words.
class help_formatter : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App* app, std::string name) const override
    {
        std::string arguments = "SUBCOMMAND [OPTIONS]";
        for (const command& c : commands) {
            if (full_name(app) == c.name)
                arguments = c.usage;
        }
        return "\nUsage:\n  " + name + " " + arguments + "\n\n";
    }

    std::string make_positionals(const CLI::App*) const override { return {}; } // in the usage

    std::string make_group(std::string group, bool positional,
                           std::vector<const CLI::Option*> options) const override
    {
        return CLI::Formatter::make_group(group, positional, options).substr(1); // one line apart
    }

    std::string make_option_opts(const CLI::Option* option) const override
    {
        const std::string type = option->get_type_name();
        return option->get_type_size() == 0 ? "" : " " + type.substr(0, type.find(':'));
    }
};

std::vector<std::string> subcommands_of(const CLI::App* app)
{
    std::vector<std::string> names;
    for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(sub->get_name());
    return names;
}

std::string guessed(const std::string& word, const std::vector<std::string>& known)
{
    const std::string guess = nearest(word, known);
    return guess.empty() ? "" : ", did you mean " + guess + "?";
}

std::string unknown_subcommand(const std::string& name, const CLI::App* app)
{
    return "unknown subcommand " + name + guessed(name, subcommands_of(app));
}

std::string unknown_option(const std::string& word, const CLI::App* app)
{
    const std::string name = word.substr(0, word.find('='));
    std::vector<std::string> known;
    for (const CLI::Option* option : app->get_options()) {
        for (const auto& long_name : option->get_lnames())
            known.push_back("--" + long_name);
    }
    return "unknown option " + name + guessed(name, known);
}

// What is wrong, and where to read on. A word that means nothing goes before one that is missing:
// the one is often the other, mistyped.
std::string usage_error(const CLI::App* app, const CLI::Error& e)
{
    std::string name = "attentive-gateway";
    std::string what = e.what();
    while (!app->get_subcommands().empty()) {
        app = app->get_subcommands().front();
        name += " " + app->get_name();
    }
    if (const auto extra = app->remaining(); !extra.empty()) {
        const std::string& first = extra.front();
        if (first.starts_with("-"))
            what = unknown_option(first, app);
        else if (!subcommands_of(app).empty())
            what = unknown_subcommand(first, app);
        else
            what = "unexpected argument " + first;
    }
    return name + ": " + what + "\nSee " + name + " --help\n";
}

CLI::App* add_command(CLI::App& app, const command& c)
{
    const std::string_view whole = c.name;
    const auto blank = whole.find(' ');
    if (blank == std::string_view::npos)
        return app.add_subcommand(c.name, c.summary);
    const std::string first{whole.substr(0, blank)};
    const auto known = subcommands_of(&app);
    if (std::find(known.begin(), known.end(), first) == known.end()) {
        const auto* const group =
            std::find_if(std::begin(groups), std::end(groups),
                         [&first](const command_group& g) { return first == g.name; });
        app.add_subcommand(first, group->summary)
            ->require_subcommand(1)
            ->footer("Read on: attentive-gateway " + first + " SUBCOMMAND --help\n");
    }
    return app.get_subcommand(first)->add_subcommand(std::string{whole.substr(blank + 1)},
                                                     c.summary);
}

void declare(CLI::App& app, action& chosen)
{
    app.formatter(std::make_shared<help_formatter>()); // shared: CLI11's own demand
    app.get_formatter()->column_width(24);
    app.failure_message(usage_error);
    app.set_version_flag("--version", std::string{"attentive-gateway "} + version,
                         "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    app.footer(overview);
    app.require_subcommand(1);
    for (const command& c : commands) {
        CLI::App* const sub = add_command(app, c);
        sub->footer(c.examples);
        action run = c.declare(*sub);
        sub->callback([&chosen, run = std::move(run)] { chosen = run; });
    }
}

} // namespace

int run_command_line(int argc, const char* const* argv)
{
    std::signal(SIGPIPE, SIG_IGN); // a peer that goes away is an error code, not our end
    try {
        CLI::App app{"Receives Attentive's webhooks, verifies them and stores them as rows of "
                     "PostgreSQL.",
                     "attentive-gateway"};
        action chosen;
        declare(app, chosen);
        try {
            app.parse(argc, argv);
        } catch (const CLI::ParseError& e) {
            return app.exit(e) == 0 ? exit_ok : exit_usage;
        }
        return chosen();
    } catch (const std::exception& e) { // out of memory, or a fault of our own
        std::fprintf(stderr, "%sattentive-gateway: %s\n", journal_prefix(severity::error).c_str(),
                     e.what());
        return exit_failed;
    }
}

} // namespace gateway
