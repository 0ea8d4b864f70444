#include "app/commands/command.hpp"

#include "app/config/installation.hpp"
#include "app/config/read_file.hpp"
#include "app/config/units.hpp"
#include "app/console/print.hpp"

#include <unistd.h>

namespace gateway {

std::string config_meaning()
{
    return "Configuration (default: " + default_config_file().string() + ")";
}

void declare_config(option_list& options, std::filesystem::path& config)
{
    config = default_config_file();
    options.value("--config", config, "FILE", config_meaning());
}

void declare_database(option_list& options, database_options& database)
{
    options.heading("Database");
    options.value("--config", database.config, "FILE", config_meaning());
    options.value("--url", database.url, "URL", "Where and as whom instead: a URI of libpq");
    options.heading(usual_heading);
}

option declare_time(option_list& options, const std::string& name, std::optional<timestamp>& value,
                    const std::string& meaning)
{
    return options.parsed(name, value, parse_time,
                          name + " is a day or a time, UTC: 2026-11-21 or 2026-11-21T10:00:00Z",
                          "TIME", meaning);
}

void declare_secret(option_list& options, secret_source& source, const std::string& name,
                    const std::string& what, const std::string& heading)
{
    options.heading(heading);
    const auto file =
        options.value("--" + name + "-file", source.file, "FILE", "File that holds " + what);
    const auto environment = options.value("--" + name + "-env", source.environment, "NAME",
                                           "Environment variable that holds it");
    environment.excludes(file);
    options.heading(usual_heading);
    options.need_one_of({file, environment});
}

result<std::string> read_body(const char* what)
{
    constexpr std::size_t body_bytes_max = 64U << 20U;
    if (::isatty(STDIN_FILENO) == 1)
        print_error("Paste {}, then press Ctrl-D.\n", what);
    return read_standard_input(body_bytes_max);
}

} // namespace gateway
