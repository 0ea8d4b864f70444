// `doctor`: looks at everything that a gateway on this host stands on, one line each, and says
// what to do where something is wrong. It tries what the gateway does and takes it back, and may
// run beside the gateway. Only what would lose or refuse events makes it exit with 1; the rest are
// warnings.
#include "app/commands/doctor.hpp"
#include "app/commands/command.hpp"
#include "app/console/log.hpp"
#include "app/console/print.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace gateway {
namespace {

void check_open_files(const config& c, diagnosis& found)
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto wanted = c.limits.connections_max + 100;
    const auto state = fmt::format("{} open files allowed here, {} wanted for "
                                   "limits.connections_max",
                                   limit.rlim_max, wanted);
    if (limit.rlim_max < wanted)
        found.doubtful("open files", state, "the service's own limit is LimitNOFILE= of its unit");
    else
        found.good("open files", state);
}

// Prints as it goes: a check that hangs shows which one it is.
class printed_diagnosis : public diagnosis {
public:
    void add(grade g, const char* what, const std::string& state,
             const std::string& remedy) override
    {
        warnings_ += g == grade::doubtful ? 1 : 0;
        risks_ += g == grade::risky ? 1 : 0;
        faults_ += g == grade::bad ? 1 : 0;
        std::string line = state + (remedy.empty() ? "" : " -> " + remedy);
        std::replace(line.begin(), line.end(), '\n', ' '); // libpq says some things in two lines
        std::erase(line, '\t');
        const char* const mark = g == grade::good ? "ok" : g == grade::bad ? "FAIL" : "warn";
        print_out("{:4} {:13} {}\n", mark, what, line);
        std::fflush(stdout);
    }

    // Prints the last line; the exit code.
    int conclude() const
    {
        if (faults_ == 0 && risks_ > 0)
            print_out("Nothing here refuses events. A failover or a crash loses some: see the "
                      "warnings above.\n");
        else if (faults_ == 0)
            print_out("Nothing here loses or refuses events{}.\n",
                      warnings_ == 0 ? "" : "; see the warnings above");
        else
            print_out("{} of these {} events lost or refused.\n", faults_,
                      faults_ == 1 ? "gets" : "get");
        return faults_ == 0 ? exit_ok : exit_failed;
    }

private:
    int faults_ = 0;
    int warnings_ = 0;
    int risks_ = 0;
};

struct doctor_command {
    std::filesystem::path file;

    void declare(option_list& options) { declare_config(options, file); }

    result<int> run() const
    {
        set_up_log("off", "text");
        printed_diagnosis found;
        const auto loaded = load_config(file);
        if (!loaded) {
            found.bad("configuration", loaded.error().detail, "see the comments in gateway.toml");
            return found.conclude();
        }
        const config& c = loaded.value();
        found.good("configuration", file.string());
        const auto running = running_gateway(c.admin.address);
        examine_secrets(c, found);
        examine_certificate(c, found);
        check_open_files(c, found);
        examine_database(c, says_ready(running), found);
        const bool may_run = running || c.admin.address.ends_with(":0"); // who knows where
        examine_spool(c, may_run, found);
        examine_ports(c, running, found);
        return found.conclude();
    }
};

} // namespace

std::vector<command> doctor_commands()
{
    return {subcommand<doctor_command>({"doctor", "[--config FILE]",
                                        "Look over all that a gateway on this host stands on",
                                        R"(
Tries what the gateway does and takes it back: a batch, a file in the spool, both ports,
handshakes. A line each. Exits with 1 when something loses or refuses events.

Example:
  attentive-gateway doctor
)"})};
}

} // namespace gateway
