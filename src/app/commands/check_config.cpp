// `check-config`: everything that `serve` would refuse, found before it is started: the file, the
// secrets it names, the certificate's files; and what would work but is better otherwise.
#include "app/commands/command.hpp"
#include "app/commands/doctor.hpp"
#include "app/config/checks.hpp"
#include "app/config/config.hpp"
#include "app/config/installation.hpp"
#include "app/config/secrets.hpp"
#include "app/console/print.hpp"

namespace gateway {
namespace {

class findings : public diagnosis {
public:
    std::vector<std::string> faults;
    std::vector<std::string> warnings;

    void add(grade g, const char*, const std::string& state, const std::string& remedy) override
    {
        if (g == grade::bad)
            faults.push_back(state);
        else if (g == grade::doubtful)
            warnings.push_back(state + "; " + remedy);
    }
};

void examine_the_rest(const config& c, findings& found)
{
    const bool plain = c.listener.tls_certificate.empty();
    const auto expect = [&found](const auto& read) {
        if (!read)
            found.faults.push_back(read.error().detail);
    };
    expect(database_url(c));
    if (!plain)
        expect(load_certificate(c));
    expect(read_admin_token(c));
    if (plain && c.listener.behind_tls_proxy)
        found.warnings.push_back("listener: plain HTTP on " + c.listener.address +
                                 ": only the proxy in front may reach this port");
    if (c.database.accept_weak_durability)
        found.warnings.emplace_back("database: with accept_weak_durability events that were "
                                    "answered 200 can be lost when the server's host goes down");
    if (!c.admin.token && !is_loopback(c.admin.address))
        found.warnings.push_back("admin: whoever reaches " + c.admin.address +
                                 " reads the page and the metrics; set token in [admin]");
}

void print_summary(const config& c)
{
    print_out("  listener  {}://{}\n", c.listener.tls_certificate.empty() ? "http" : "https",
              c.listener.address);
    for (const endpoint_config& endpoint : c.endpoints) {
        std::vector<std::string> ids;
        for (const signing_key_config& key : endpoint.signing_keys)
            ids.push_back(key.id);
        print_out("  endpoint  {} at {}, signing keys: {}\n", endpoint.name, endpoint.path,
                  fmt::join(ids, ", "));
    }
    print_out("  database  {}\n", c.database.embedded.empty()
                                      ? "by url"
                                      : "embedded, in " + c.database.embedded.string());
    print_out("  spool     {}\n",
              c.spool.directory.empty()
                  ? "none: while the database is out of reach, events are refused"
                  : c.spool.directory.string());
    print_out("  admin     {}\n", c.admin.address);
    print_out("  log       {}, {}\n", c.log.level, c.log.format);
}

struct check_config_command {
    std::filesystem::path file = default_config_file();

    void declare(option_list& options)
    {
        options.value("FILE,--config", file, "FILE", config_meaning());
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto c, load_config(file));
        findings found;
        examine_secrets(c, found);
        examine_the_rest(c, found);
        const std::string name = file.string();
        for (const std::string& warning : found.warnings)
            print_error("{}: warning: {}\n", name, warning);
        for (const std::string& fault : found.faults) // most name their line of the file
            print_error("{}{}\n", fault.starts_with(name + ":") ? "" : name + ": ", fault);
        if (!found.faults.empty())
            return exit_usage;
        print_out("{}: ok\n", name);
        print_summary(c);
        return exit_ok;
    }
};

} // namespace

std::vector<command> check_config_commands()
{
    return {subcommand<check_config_command>(
        {"check-config", "[FILE]",
         "Say whether a configuration would be accepted, and what is wrong with it",
         R"(
Reads the secrets too, but prints none. Every fault has its line and column.

Example:
  attentive-gateway check-config
)"})};
}

} // namespace gateway
