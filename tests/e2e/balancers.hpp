// The balancers' example configurations, run as they are but for addresses, before gateways.
#pragma once

#include "support/gateway_process.hpp"
#include "support/waiting.hpp"

#include <csignal>
#include <memory>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

namespace gateway::test {

using namespace std::chrono_literals;

inline const std::filesystem::path source_directory = GATEWAY_SOURCE_DIR;

inline bool installed(const std::string& tool)
{
    return run({"sh", "-c", "PATH=$PATH:/usr/sbin; command -v " + tool}).exit_code == 0;
}

inline std::string free_port()
{
    const auto found = run({"perl", "-MIO::Socket::INET", "-e",
                            "print IO::Socket::INET->new(Listen=>1,LocalAddr=>'127.0.0.1')"
                            "->sockport"});
    return found.output;
}

inline std::string port_in_url(const std::string& url)
{
    std::smatch match;
    std::regex_search(url, match, std::regex{":([0-9]+)/"});
    return match[1];
}

inline std::string replaced(const std::string& text, const std::string& pattern,
                            const std::string& by)
{
    return std::regex_replace(text, std::regex{pattern}, by);
}

// Whether something answers on the port with any status.
inline bool answers(const std::string& url, std::chrono::milliseconds time)
{
    const std::vector<std::string> ask = {"curl", "-ks", "-m", "2", "-o", "/dev/null", url};
    return becomes([&] { return run(ask).exit_code == 0; }, time);
}

// HAProxy as it is shipped, before two gateways that run already, with a socket to ask it what it
// knows of them.
class haproxy_before {
public:
    haproxy_before(const gateway_process& first, const gateway_process& second) : port_(free_port())
    {
        auto config = read_file(source_directory / "config/haproxy.cfg");
        config = replaced(config, "bind :443", "bind 127.0.0.1:" + port_);
        config = replaced(config, "127.0.0.1:8443", "127.0.0.1:" + port_in_url(first.url()));
        config = replaced(config, "127.0.0.1:8444", "127.0.0.1:" + port_in_url(second.url()));
        config = replaced(config, "inter 500ms", "inter 100ms");
        config = replaced(config, "maxconn 5000", "maxconn 5000\n    stats socket " + control());
        write_file(directory_ / "haproxy.cfg", config);
        const std::string file = directory_ / "haproxy.cfg";
        child_ = std::make_unique<process>(
            std::vector<std::string>{"/usr/sbin/haproxy", "-db", "-f", file});
    }

    std::string url() const { return "https://localhost:" + port_ + "/webhooks/attentive"; }
    std::string errors() const { return child_->errors(); }

    // Waits until HAProxy itself calls the gateway `number` (1 or 2) "UP" or "DOWN".
    bool says(int number, const std::string& state) const
    {
        const std::string row = "gateways,gateway-" + std::to_string(number) + ",";
        const auto stands = [&] {
            std::istringstream table{ask("show stat")};
            for (std::string line; std::getline(table, line);) {
                if (line.rfind(row, 0) == 0 && line.find("," + state + ",") != std::string::npos)
                    return true;
            }
            return false;
        };
        return becomes(stands, 120s);
    }

private:
    std::string control() const { return directory_ / "control"; }

    std::string ask(const std::string& command) const
    {
        return run({"perl", "-MIO::Socket::UNIX", "-e",
                    "my $s = IO::Socket::UNIX->new($ARGV[0]) or exit 1;"
                    "print $s \"$ARGV[1]\\n\"; print <$s>",
                    control(), command})
            .output;
    }

    temporary_directory directory_;
    std::string port_;
    std::unique_ptr<process> child_;
};

// nginx as it is shipped, before gateways that it turns to plain HTTP.
class nginx_before {
public:
    explicit nginx_before(const std::vector<gateway_process*>& gateways) : port_(free_port())
    {
        for (gateway_process* each : gateways)
            plain_ = serve_plain_http(*each) && plain_;
        const gateway_process& last = *gateways.back();
        auto config = read_file(source_directory / "config/nginx.conf");
        config = replaced(config, "listen 443", "listen 127.0.0.1:" + port_);
        config = replaced(config, "127.0.0.1:8443", "127.0.0.1:" + port_in_url(gateways[0]->url()));
        config = replaced(config, "127.0.0.1:8444", "127.0.0.1:" + port_in_url(last.url()));
        config = replaced(config, "/etc/nginx/tls/fullchain.pem", last.certificate());
        config = replaced(config, "/etc/nginx/tls/privkey.pem", last.private_key());
        write_file(directory_ / "nginx.conf",
                   "daemon off; pid " + (directory_ / "pid").string() +
                       "; error_log stderr; user root; events {} http { access_log off; " + config +
                       " }");
        const std::string file = directory_ / "nginx.conf";
        child_ = std::make_unique<process>(std::vector<std::string>{
            "/usr/sbin/nginx", "-c", file, "-p", directory_.path().string()});
    }
    ~nginx_before()
    {
        child_->signal(SIGTERM);
        child_->wait(60s);
    }
    nginx_before(const nginx_before&) = delete;
    nginx_before& operator=(const nginx_before&) = delete;

    std::string url() const { return "https://localhost:" + port_ + "/webhooks/attentive"; }
    std::string errors() const { return child_->errors(); }
    bool serves() const { return plain_ && answers(url(), 60s); }

private:
    static bool serve_plain_http(gateway_process& gateway)
    {
        const auto text = read_file(gateway.config_file());
        write_file(gateway.config_file(),
                   replaced(text, "tls_(certificate|private_key) = [^\n]*\n", ""));
        gateway.child().signal(SIGHUP);
        return gateway.child().wait_for_output("reloaded: ", 60s);
    }

    temporary_directory directory_;
    std::string port_;
    bool plain_ = true;
    std::unique_ptr<process> child_;
};

} // namespace gateway::test
