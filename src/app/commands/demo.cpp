// The embedded default: everything the daemon needs, made in one directory on first use, then the
// real daemon on it, the 11 documented events posted over HTTPS and the rows they became, then
// ninety days of a small shop's subscribers, so that every report has something to say.
#include "app/commands/command.hpp"
#include "app/commands/told_story.hpp"
#include "app/config/config.hpp"
#include "app/config/secrets.hpp"
#include "app/console/columns.hpp"
#include "app/console/log.hpp"
#include "app/console/print.hpp"
#include "app/console/table.hpp"
#include "app/daemon/daemon.hpp"
#include "gateway/base/digest.hpp"
#include "gateway/client/sender.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/listener/listener.hpp"
#include "gateway/store/showcase.hpp"
#include "gateway/store/spool.hpp"

#include <boost/asio/io_context.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

namespace gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view webhook_path = "/webhooks/attentive";

constexpr const char* configuration_template =
    R"(# Written by `attentive-gateway demo` at each start.
[listener]
address = "{listener}"
tls_certificate = "{directory}/certificate.pem"
tls_private_key = "{directory}/private-key.pem"
trusted_proxies = ["127.0.0.1"]

[[endpoint]]
name = "attentive"
path = "{path}"
signing_keys = [ {{ id = "demo", file = "{directory}/signing-key" }} ]

[database]
embedded = "{directory}/postgres"

[spool]
directory = "{directory}/spool"
any_file_system = true

[admin]
address = "{admin}"

[limits]
drain_delay = "0s"

[log]
level = "warn"
format = "text"
)";

void step(const std::string& text)
{
    print_error("demo: {}\n", text);
}

result<void> write_new(const fs::path& file, const std::string& text, mode_t mode)
{
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << text;
    out.close();
    if (!out || ::chmod(file.c_str(), mode) != 0)
        return fail(errc::io_failed, "cannot write " + file.string());
    return ok();
}

std::string random_key()
{
    unsigned char bytes[24] = {};
    if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
        std::abort();
    return to_hex(std::string_view{reinterpret_cast<const char*>(bytes), sizeof bytes});
}

// The wanted port if it is free, else one that the kernel gives.
std::string free_address(int wanted)
{
    const std::string address = "127.0.0.1:" + std::to_string(wanted);
    boost::asio::io_context io;
    return open_acceptor(io, address) ? address : "127.0.0.1:0";
}

std::string configuration(const fs::path& directory)
{
    return fmt::format(configuration_template, fmt::arg("directory", directory.string()),
                       fmt::arg("path", webhook_path), fmt::arg("listener", free_address(8443)),
                       fmt::arg("admin", free_address(9464)));
}

// A directory of ours: nobody else may have prepared keys or a configuration in it.
result<void> open_directory(const fs::path& directory)
{
    std::error_code failed;
    fs::create_directories(directory, failed);
    struct stat found = {};
    if (failed || ::stat(directory.c_str(), &found) != 0)
        return fail(errc::io_failed,
                    "cannot create " + directory.string() + ": give another with --directory");
    if (found.st_uid != ::geteuid())
        return fail(errc::io_failed, directory.string() + " belongs to another user: give "
                                                          "another with --directory");
    ::chmod(directory.c_str(), 0711); // PostgreSQL, which never runs as root, passes through
    return ok();
}

// Held until the process ends, before anything is written: a second demo would otherwise rewrite
// the configuration of the one that runs, with other ports. `serve` on that configuration holds the
// spool.
result<void> claim(const fs::path& directory)
{
    const int held = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const auto serves = spool_in_use(directory / "spool");
    if (held >= 0 && ::flock(held, LOCK_EX | LOCK_NB) == 0 && !(serves && serves.value()))
        return ok();
    if (held >= 0)
        ::close(held);
    return fail(errc::process_failed,
                "another one runs in " + directory.string() +
                    ": use that (its addresses are in gateway.toml there), stop it, or give "
                    "another directory with --directory");
}

result<void> prepare(const fs::path& directory)
{
    BOOST_OUTCOME_TRY(open_directory(directory));
    BOOST_OUTCOME_TRY(claim(directory));
    if (!fs::exists(directory / "signing-key")) {
        BOOST_OUTCOME_TRY(write_new(directory / "signing-key", random_key(), 0600));
        step("made a signing key (Attentive's UI shows you the real one)");
    }
    if (!load_tls_context(directory / "certificate.pem", directory / "private-key.pem")) {
        const auto made = make_self_signed_certificate();
        BOOST_OUTCOME_TRY(write_new(directory / "certificate.pem", made.certificate, 0644));
        BOOST_OUTCOME_TRY(write_new(directory / "private-key.pem", made.private_key, 0600));
        step("made a self-signed certificate for localhost");
    }
    return write_new(directory / "gateway.toml", configuration(directory), 0644);
}

std::string url_of(const daemon_addresses& addresses)
{
    const auto port = addresses.listener.substr(addresses.listener.rfind(':'));
    return "https://localhost" + port + std::string{webhook_path};
}

result<void> post(const fs::path& directory, const std::string& url, send_request request)
{
    secret_source source;
    source.file = directory / "signing-key";
    BOOST_OUTCOME_TRY(auto key, read_signing_key(source));
    request.signing_key = std::move(key.key);
    request.url = url;
    request.ca_file = directory / "certificate.pem";
    BOOST_OUTCOME_TRY(const auto report, send(request));
    if (report.failures > 0)
        return fail(errc::network_failed, report.first_failure);
    for (const auto& [status, answers] : report.statuses)
        step(fmt::format("posted {} signed events: HTTP {}", answers, status));
    for (const auto& [disposition, answers] : report.dispositions)
        step(fmt::format("  {} {}", answers, disposition));
    return ok();
}

result<void> post_documented_events(const fs::path& directory, const std::string& url)
{
    send_request request;
    request.types = sampled_types();
    request.count = request.types.size();
    return post(directory, url, std::move(request));
}

// Log and read models have what was acknowledged a moment later.
result<void> await_projection(const std::string& database_url)
{
    constexpr int tries = 50;
    for (int n = 0; n < tries; ++n) {
        BOOST_OUTCOME_TRY(const bool projected, is_projected(database_url));
        if (projected)
            break;
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    return ok();
}

// Once for each directory: the story ends when it is told.
result<void> post_story(const fs::path& directory, const daemon_addresses& addresses)
{
    BOOST_OUTCOME_TRY(const bool told, has_events_of(addresses.database_url, story_company_id(0)));
    if (told)
        return ok();
    story_settings settings;
    settings.until = now();
    auto story = tell(tell_story(settings));
    step("ninety days of 40 made-up subscribers of " + story_company_name(0));
    send_request request;
    request.count = story.posted.size();
    request.bodies = std::move(story.posted);
    request.connections = 4;
    BOOST_OUTCOME_TRY(post(directory, url_of(addresses), std::move(request)));
    BOOST_OUTCOME_TRY(record_events(addresses.database_url, story.recorded));
    step("recorded " + std::to_string(story.recorded.size()) +
         " page views and orders of the shop, with gateway.record_event");
    return await_projection(addresses.database_url);
}

void print_next_steps(const fs::path& directory, const daemon_addresses& addresses)
{
    const auto binary = fs::read_symlink("/proc/self/exe").string();
    print_out(R"~(
Look at it, in a browser:
  http://{admin}/

Read the reports:
  {binary} report --config {base}/gateway.toml
  {binary} report attributed_orders --config {base}/gateway.toml
  psql '{database}' -c 'SELECT * FROM report.source_event'

Post more, as Attentive does:
  body='{body}'
  curl --cacert {base}/certificate.pem -H 'Content-Type: application/json' \
    -H "x-attentive-hmac-sha256: $(printf %s "$body" | )~"
              R"~(openssl dgst -sha256 -hmac "$(cat {base}/signing-key)" -r | cut -d' ' -f1)" \
    -d "$body" {url}
  {binary} send --url {url} \
    --key-file {base}/signing-key --ca {base}/certificate.pem --type all --count 1000 --unique
)~",
              fmt::arg("admin", addresses.admin), fmt::arg("binary", binary),
              fmt::arg("base", directory.string()), fmt::arg("database", addresses.database_url),
              fmt::arg("body", R"({"type":"sms.subscribed","timestamp":1767225600000,)"
                               R"("company":{"company_id":"MDc6Q29tcGFueTU"},)"
                               R"("subscriber":{"phone":"+12065550100"}})"),
              fmt::arg("url", url_of(addresses)));
    std::fflush(stdout);
}

std::string for_terminal(const query_table& table)
{
    const std::size_t width = terminal_width();
    return to_text(narrowed(readable(table), width).table, width);
}

result<void> show(const fs::path& directory, const daemon_addresses& addresses)
{
    BOOST_OUTCOME_TRY(post_documented_events(directory, url_of(addresses)));
    BOOST_OUTCOME_TRY(await_projection(addresses.database_url));
    BOOST_OUTCOME_TRY(const auto rows, demo_events(addresses.database_url, story_company_id(0)));
    print_out("\n{}({} rows of gateway.source_event)\n", for_terminal(rows), rows.rows.size());
    BOOST_OUTCOME_TRY(post_story(directory, addresses));
    BOOST_OUTCOME_TRY(const auto timeline, demo_timeline(addresses.database_url));
    print_out("\n{}(the latest of report.subscriber_timeline, for the best customer)\n",
              for_terminal(timeline));
    print_next_steps(directory, addresses);
    return ok();
}

result<void> demonstrate(const fs::path& directory, bool once)
{
    BOOST_OUTCOME_TRY(prepare(directory));
    BOOST_OUTCOME_TRY(const auto settings, load_config(directory / "gateway.toml"));
    set_up_log(settings.log.level, settings.log.format);
    step("starting a private PostgreSQL in " + (directory / "postgres").string());
    BOOST_OUTCOME_TRY(const auto gateway, daemon::start(settings, true));
    step("serving " + url_of(gateway->addresses()));

    result<void> shown = ok();
    std::thread shows{[&] {
        shown = show(directory, gateway->addresses());
        if (once || shown.has_error()) {
            gateway->stop();
        } else {
            step("serving until Ctrl-C");
        }
    }};
    gateway->run();
    shows.join();
    return shown;
}

fs::path default_directory()
{
    // Not below the home directory: root's is closed to the user that PostgreSQL runs as.
    return fs::temp_directory_path() / ("attentive-gateway-demo-" + std::to_string(::geteuid()));
}

struct demo_command {
    bool once = false;               // show the rows and stop
    std::filesystem::path directory; // of the demo's cluster, certificate and key

    void declare(option_list& options)
    {
        options.flag("--once", once, "Stop after showing the rows");
        options.value("--directory", directory, "DIR",
                      "Where database, certificate and key are kept for the next start");
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(
            demonstrate(directory.empty() ? default_directory() : fs::absolute(directory), once));
        return exit_ok;
    }
};

} // namespace

std::vector<command> demo_commands()
{
    return {subcommand<demo_command>(
        {"demo", "[--once] [--directory DIR]",
         "Show the whole way on this machine: private database, TLS, 11 signed events",
         R"(
Serves until Ctrl-C, so that you can send more.

Examples:
  attentive-gateway demo
  attentive-gateway demo --once --directory /tmp/demo
)"})};
}

} // namespace gateway
