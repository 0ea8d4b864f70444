// `spool status | verify | drain | export`: what waits in the local spool, whether its files are
// whole, and how it gets out by hand. All but drain only read, also beside a running gateway.
#include "app/commands/command.hpp"
#include "app/config/config.hpp"
#include "app/config/installation.hpp"
#include "app/config/units.hpp"
#include "app/console/print.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"

#include <algorithm>

namespace gateway {
namespace {

error has_no_spool(const std::filesystem::path& file)
{
    return fail(errc::config_invalid, file.string() + ": has no [spool] with a directory");
}

struct spool_place { // at most one of the two; neither: default_config_file()
    std::filesystem::path config;
    std::filesystem::path directory;

    void declare(option_list& options)
    {
        options.heading("Spool, one of");
        const auto named = options.value("--config", config, "FILE", config_meaning());
        options.value("--directory", directory, "DIR", "The spool itself, or a copy of one")
            .excludes(named);
    }
};

struct location {
    std::filesystem::path directory;
    std::size_t bytes_max; // 0: not known
};

result<location> locate(const spool_place& place)
{
    location at{place.directory, 0};
    if (at.directory.empty()) {
        const auto file = place.config.empty() ? default_config_file() : place.config;
        BOOST_OUTCOME_TRY(const auto c, load_config(file));
        if (c.spool.directory.empty())
            return has_no_spool(file);
        at = {c.spool.directory, c.spool.bytes_max};
    }
    BOOST_OUTCOME_TRY(expect_spool(at.directory));
    return at;
}

std::string mebibytes(std::uint64_t bytes)
{
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1U << 20U));
}

std::size_t damaged_of(const std::vector<spool_file_report>& files)
{
    return static_cast<std::size_t>(
        std::count_if(files.begin(), files.end(), [](const auto& file) { return !file.whole; }));
}

struct spool_status_command {
    spool_place place;

    void declare(option_list& options) { place.declare(options); }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, locate(place));
        BOOST_OUTCOME_TRY(const bool in_use, spool_in_use(at.directory));
        BOOST_OUTCOME_TRY(const auto files, verify_spool(at.directory));
        std::uint64_t events = 0;
        std::uint64_t bytes = 0;
        std::optional<timestamp> oldest;
        for (const auto& file : files) {
            events += file.events;
            bytes += file.bytes;
            if (file.oldest && (!oldest || *file.oldest < *oldest))
                oldest = file.oldest;
        }
        print_out("directory  {}\n", at.directory.string());
        print_out("used by    {}\n", in_use ? "a running gateway" : "nobody");
        print_out("events     {}\n", events);
        if (oldest)
            print_out("oldest     {}\n", to_string(*oldest));
        print_out("files      {}, {}{}\n", files.size(), mebibytes(bytes),
                  at.bytes_max == 0 ? "" : " of " + size_text(at.bytes_max));
        if (const std::size_t damaged = damaged_of(files); damaged > 0)
            print_out("damaged    {} of them, see spool verify\n", damaged);
        return exit_ok;
    }
};

query_table table_of(const std::vector<spool_file_report>& files)
{
    query_table table{{"file", "events", "oldest", "size", "state"}, {}};
    for (const auto& file : files)
        table.rows.push_back({file.file, std::to_string(file.events),
                              file.oldest ? to_string(*file.oldest) : "", mebibytes(file.bytes),
                              file.detail});
    return table;
}

struct spool_verify_command {
    spool_place place;

    void declare(option_list& options) { place.declare(options); }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, locate(place));
        BOOST_OUTCOME_TRY(const auto files, verify_spool(at.directory));
        if (files.empty()) {
            print_out("the spool is empty\n");
            return exit_ok;
        }
        print_text(to_text(table_of(files), terminal_width()));
        const std::size_t damaged = damaged_of(files);
        if (damaged == 0)
            print_out("all files are whole\n");
        else
            print_out("{} of {} files are not whole\n", damaged, files.size());
        return damaged == 0 ? exit_ok : exit_failed;
    }
};

struct spool_drain_command {
    std::filesystem::path config;

    void declare(option_list& options) { declare_config(options, config); }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema({config, {}}));
        if (at.settings.spool.directory.empty())
            return has_no_spool(config);
        BOOST_OUTCOME_TRY(const auto done, drain_spool(at, progress_lines("events drained")));
        print_out("drained {} events into the database\n", done.drained);
        return exit_ok;
    }
};

struct spool_export_command {
    spool_place from;
    std::filesystem::path to; // must not exist

    void declare(option_list& options)
    {
        options.value("--to", to, "DIR", "Directory to make and write to").required();
        from.declare(options);
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto at, locate(from));
        BOOST_OUTCOME_TRY(const auto written, export_spool(at.directory, to));
        print_out("wrote {} deliveries to {}\n", written, (to / "deliveries.jsonl").string());
        return exit_ok;
    }
};

} // namespace

std::vector<command> spool_commands()
{
    return {
        command_group("spool", "What waits on this host: status, verify, drain, export"),
        subcommand<spool_status_command>(
            {"spool status", "[--directory DIR]",
             "Say what waits in the local spool, and whether a gateway uses it",
             R"(
Reads only, also while the gateway runs.

Example:
  attentive-gateway spool status
)"}),
        subcommand<spool_verify_command>({"spool verify", "[--directory DIR]",
                                          "Check every row of every spool file",
                                          R"(
Reads only, also while the gateway runs. Exits with 1 when a file is not whole.

Example:
  attentive-gateway spool verify --directory /var/lib/attentive-gateway/spool
)"}),
        subcommand<spool_drain_command>(
            {"spool drain", "[--config FILE]",
             "Empty the spool into the database, with the gateway stopped",
             R"(
A running gateway drains by itself. Safe to break off and to repeat.

Example:
  attentive-gateway spool drain
)"}),
        subcommand<spool_export_command>(
            {"spool export", "--to DIR [--directory DIR]",
             "Write what waits in the spool as JSON lines, and remove nothing",
             R"(
Makes DIR (0700) with deliveries.jsonl (0600) in it: personal data. One object a line: n,
endpoint, key_id, received_at, sha256 (of the bytes), body (the signed bytes in base64).

Example:
  attentive-gateway spool export --directory /var/lib/attentive-gateway/spool --to saved
)"}),
    };
}

} // namespace gateway
