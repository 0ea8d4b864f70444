// `doctor` on ports: each is opened for a moment, and where that fails a gateway of this
// configuration has to be the reason.
#include "app/commands/doctor.hpp"
#include "app/config/checks.hpp"
#include "app/config/secrets.hpp"
#include "gateway/listener/address.hpp"
#include "gateway/listener/listener.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <filesystem>

namespace gateway {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr std::chrono::seconds patience{2};
constexpr std::size_t answer_bytes_max = 64U << 10U;

// Enabled: systemd opens the port, and listener.address is not used.
constexpr const char* socket_unit =
    "/etc/systemd/system/sockets.target.wants/attentive-gateway.socket";

// Why `address` cannot be listened on; empty when it can.
std::string taken(const std::string& address)
{
    asio::io_context io;
    const auto opened = open_acceptor(io, address);
    return opened ? std::string{} : opened.error().detail;
}

void check_webhook_port(const config& c, const std::optional<std::string>& running,
                        diagnosis& found)
{
    const std::string why = taken(c.listener.address);
    const bool any_port = c.listener.address.ends_with(":0");
    if (why.empty() && running && !any_port && fs::exists(socket_unit))
        return found.doubtful("port", "a gateway runs, but none listens on " + c.listener.address,
                              "set listener.address to what ListenStream= of "
                              "attentive-gateway.socket says");
    if (why.empty() && running && !any_port)
        return found.bad("port",
                         "a gateway answers at admin.address " + c.admin.address +
                             ", but none listens on " + c.listener.address +
                             ": it is another configuration's",
                         "give each gateway an admin.address of its own, and restart it");
    if (why.empty())
        return found.good("port", c.listener.address + " is free");
    if (!running)
        return found.bad("port", why,
                         "no gateway answers at " + c.admin.address +
                             ": if systemd holds the port, systemctl start attentive-gateway; "
                             "else stop what holds it (ss -ltnp)");
    if (!says_ready(running))
        found.bad("port", "the gateway that runs is not ready: " + *running, "see its log");
    else if (running->find("\"degraded\"") != std::string::npos)
        found.doubtful("port",
                       "the gateway that runs on " + c.listener.address + " says: " + *running,
                       "each of these says what to do");
    else
        found.good("port", "a gateway runs on " + c.listener.address + ": " + *running);
}

void check_admin_port(const config& c, const std::optional<std::string>& running, diagnosis& found)
{
    const auto token = read_admin_token(c);
    if (!token)
        return found.bad("admin port", token.error().detail,
                         "the gateway does not start without it");
    if (const std::string why = taken(c.admin.address); !why.empty() && !running)
        return found.bad("admin port", why,
                         "what holds it is no gateway, which does not start without it: stop it "
                         "(ss -ltnp), or set admin.address");
    if (token.value().empty() && !is_loopback(c.admin.address))
        return found.doubtful("admin port",
                              c.admin.address + " is open to the network, without a token",
                              "set token in [admin], or bind it to 127.0.0.1");
    found.good("admin port",
               c.admin.address + (token.value().empty() ? ", loopback" : ", with a token"));
}

} // namespace

std::optional<std::string> running_gateway(const std::string& admin_address)
{
    const auto asked = parse_listen_address(admin_address);
    if (!asked)
        return std::nullopt;
    auto [host, port] = asked.value();
    if (host.is_unspecified())
        host = asio::ip::address_v4::loopback();
    asio::ip::tcp::iostream stream;
    stream.expires_after(patience); // of all: whatever listens there may never answer
    stream.connect(asio::ip::tcp::endpoint{host, port});
    stream << "GET /readyz HTTP/1.1\r\nHost: doctor\r\nConnection: close\r\n\r\n" << std::flush;
    std::string answer(answer_bytes_max, '\0');
    stream.read(answer.data(), static_cast<std::streamsize>(answer.size()));
    answer.resize(static_cast<std::size_t>(stream.gcount()));
    const auto body = answer.find("\r\n\r\n");
    if (body == std::string::npos || answer.find("\"status\":") == std::string::npos)
        return std::nullopt;
    return answer.substr(body + 4, answer.find_last_not_of("\r\n") - body - 3);
}

bool says_ready(const std::optional<std::string>& running)
{
    return running && running->find("not_ready") == std::string::npos;
}

void examine_ports(const config& c, const std::optional<std::string>& running, diagnosis& found)
{
    check_admin_port(c, running, found);
    check_webhook_port(c, running, found);
}

} // namespace gateway
