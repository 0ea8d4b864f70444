// `explain`: what the gateway would make of a body, without a database. The event or the reason
// goes to standard output as JSON; for a body that would be quarantined, a table for people
// follows on standard error.
#include "app/commands/command.hpp"
#include "app/config/installation.hpp"
#include "app/console/print.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/attentive/event_json.hpp"
#include "gateway/attentive/normalizer.hpp"

#include <algorithm>
#include <filesystem>

namespace gateway {
namespace {

void print_faults(const quarantined& q)
{
    print_error("\nThis body would be kept in quarantine: {}. The sender would get 202, so it does "
                "not come again.\n",
                name(q.reason));
    std::size_t width = 5;
    for (const field_fault& f : q.faults)
        width = std::max(width, f.field.size());
    for (const field_fault& f : q.faults)
        print_error("  {:{}}  found {}, expected {}\n", f.field.empty() ? "body" : f.field, width,
                    f.found, f.expected);
}

struct explain_command {
    std::filesystem::path config; // empty: the default one, if there is one

    void declare(option_list& options)
    {
        options.value("--config", config, "FILE", config_meaning());
    }

    // As the gateway of this host takes phone numbers.
    result<phone_rule> phones() const
    {
        const auto file = config.empty() ? default_config_file() : config;
        std::error_code error;
        if (config.empty() && !std::filesystem::exists(file, error))
            return phone_rule{};
        BOOST_OUTCOME_TRY(const auto settings, load_config(file));
        return phone_rule_of(settings.subscribers);
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto rule, phones());
        BOOST_OUTCOME_TRY(const auto body, read_body("a body"));
        const normalized what = normalize(std::string_view{body}, rule);
        print_text(to_json(what));
        std::fflush(stdout);
        const auto* const refused = std::get_if<quarantined>(&what);
        if (refused == nullptr)
            return exit_ok;
        print_faults(*refused);
        return exit_failed;
    }
};

} // namespace

std::vector<command> explain_commands()
{
    return {subcommand<explain_command>(
        {"explain", "[--config FILE] < BODY",
         "Show what the body on standard input becomes: the event, or what is wrong",
         R"(
Needs no database, and of the configuration [subscribers] alone, where there is one. Exits with
1 when the body would go to quarantine.

Example:
  attentive-gateway explain < body.json
)"})};
}

} // namespace gateway
