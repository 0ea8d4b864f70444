#include "support/gateway_process.hpp"
#include "store/database/query.hpp"
#include "support/cluster.hpp"

#include "gateway/listener/tls.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <sstream>

namespace gateway::test {
namespace {

constexpr std::chrono::seconds start_timeout{60};

std::string first_match(const std::string& text, const std::string& pattern)
{
    std::smatch match;
    return std::regex_search(text, match, std::regex{pattern}) ? match[1].str() : std::string{};
}

} // namespace

gateway_process::gateway_process(const gateway_options& options) : options_{options}
{
    ++gateways_running;
    database_url_ = options.database_url.empty() ? empty_database() : options.database_url;
    const auto made = make_self_signed_certificate();
    write_file(certificate(), made.certificate);
    write_file(private_key(), made.private_key);
    write_file(key_file(), options.signing_key + "\n");
    for (const auto& secret : {private_key(), key_file()})
        std::filesystem::permissions(secret, std::filesystem::perms::owner_read |
                                                 std::filesystem::perms::owner_write);
    write_file(config_file(), configuration());
    start();
}

std::string gateway_process::configuration() const
{
    std::ostringstream text;
    text << "[listener]\n"
         << "address = '127.0.0.1:0'\n"
         << "tls_certificate = '" << certificate().string() << "'\n"
         << "tls_private_key = '" << private_key().string() << "'\n"
         << "trusted_proxies = ['127.0.0.1']\n"
         << options_.listener << "[[endpoint]]\n"
         << "name = 'attentive'\n"
         << "path = '/webhooks/attentive'\n"
         << "signing_keys = [ { id = 'e2e', file = '" << key_file().string() << "' } ]\n"
         << "[database]\n"
         << "url = '" << database_url_ << "'\n"
         << options_.database << "[admin]\n"
         << "address = '127.0.0.1:0'\n"
         << options_.admin << "[limits]\n"
         << "drain_delay = '0s'\n"
         << options_.configuration;
    return text.str();
}

void gateway_process::start()
{
    std::vector<std::string> arguments = {GATEWAY_BINARY, "serve", "--config",
                                          config_file().string()};
    if (options_.migrate)
        arguments.emplace_back("--migrate");
    if (options_.listening_socket >= 0) {
        // sd_listen_fds(3): from descriptor 3 on, for the process of this id.
        const std::string given = std::to_string(options_.listening_socket);
        const std::string move = given == "3" ? "" : "exec 3<&" + given + " " + given + "<&-; ";
        const std::vector<std::string> hand_over = {
            "bash", "-c", move + "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "bash"};
        arguments.insert(arguments.begin(), hand_over.begin(), hand_over.end());
    }
    child_ = std::make_unique<process>(arguments, process_options{"", options_.environment});
    if (!options_.wait_until_up)
        return;
    if (!child_->wait_for_output("listening on", start_timeout)) {
        std::fprintf(stderr, "the gateway did not come up: %s\n", child_->errors().c_str());
        std::abort();
    }
    url_ = "https://localhost" + first_match(child_->errors(), "listening on [0-9.]+(:[0-9]+)") +
           "/webhooks/attentive";
    admin_url_ = "http://localhost" + first_match(child_->errors(), "admin on [0-9.]+(:[0-9]+)");
}

void gateway_process::renew_certificate() const
{
    const auto made = make_self_signed_certificate();
    write_file(directory_ / "new.key", made.private_key);
    write_file(directory_ / "new.pem", made.certificate);
    std::filesystem::rename(directory_ / "new.key", private_key());
    std::filesystem::rename(directory_ / "new.pem", certificate());
}

void gateway_process::restart()
{
    child_.reset();
    start();
}

std::vector<std::vector<std::string>> gateway_process::rows(const std::string& sql) const
{
    await_applied(database_url_, sql);
    auto table = gateway::query(database_url_, sql);
    if (!table) {
        std::fprintf(stderr, "%s: %s\n", sql.c_str(), table.error().detail.c_str());
        std::abort();
    }
    return std::move(table.value().rows);
}

std::string gateway_process::value(const std::string& sql) const
{
    const auto all = rows(sql);
    return all.empty() ? "" : all.front().front();
}

} // namespace gateway::test
