#include "doctor_stage.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <atomic>
#include <netinet/in.h>
#include <regex>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway::test {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto patience = 90s;

std::string port_of(const std::string& address)
{
    return address.substr(address.rfind(':'));
}

std::string text_of(const run_result& r)
{
    return r.output + r.errors;
}

} // namespace

const std::vector<std::string> authority_extensions = {"basicConstraints=critical,CA:true",
                                                       "keyUsage=critical,keyCertSign"};
const std::vector<std::string> server_extensions = {
    "subjectAltName=DNS:localhost,IP:127.0.0.1", "basicConstraints=critical,CA:false",
    "keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth"};

certificate_authority& certificate_authority::instance()
{
    static certificate_authority all;
    return all;
}

std::string certificate_authority::make(const std::vector<std::string>& words) const
{
    const auto done = run(words);
    EXPECT_EQ(done.exit_code, 0) << done.errors;
    return done.output;
}

certificate_authority::pair certificate_authority::issue(const std::string& name,
                                                         const pair& issuer,
                                                         const std::vector<std::string>& extensions,
                                                         const std::string& curve, int days)
{
    const std::string at = directory_.path().string() + "/";
    std::string lines;
    for (const auto& each : extensions)
        lines += each + "\n";
    write_file(at + "extensions", lines);
    write_file(at + "issuer.pem", issuer.certificate);
    write_file(at + "issuer.key", issuer.private_key);
    make({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + curve,
          "-nodes", "-subj", "/CN=" + name, "-keyout", at + "new.key", "-out", at + "new.csr"});
    const std::string certificate =
        make({"openssl", "x509", "-req", "-in", at + "new.csr", "-CA", at + "issuer.pem", "-CAkey",
              at + "issuer.key", "-days", std::to_string(days), "-extfile", at + "extensions"});
    return {certificate, read_file(at + "new.key")};
}

certificate_authority::pair certificate_authority::issue_for_localhost(const pair& issuer,
                                                                       const std::string& curve)
{
    return issue("localhost", issuer, server_extensions, curve);
}

certificate_authority::certificate_authority()
{
    const std::string at = directory_.path().string() + "/";
    make({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
          "-nodes", "-subj", "/CN=Test Root", "-days", "30", "-addext",
          "basicConstraints=critical,CA:true", "-keyout", at + "root.key", "-out",
          at + "root.pem"});
    root = {read_file(at + "root.pem"), read_file(at + "root.key")};
    intermediate = issue("Test Intermediate", root, authority_extensions);
    expired_intermediate.private_key = intermediate.private_key;
    // Of the last request, which is the intermediate's.
    expired_intermediate.certificate =
        make({"openssl", "x509", "-req", "-in", at + "new.csr", "-CA", at + "root.pem", "-CAkey",
              at + "root.key", "-days", "-1", "-extfile", at + "extensions"});
    server = issue_for_localhost(intermediate);
}

std::string free_address()
{
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof any;
    ::bind(socket, reinterpret_cast<sockaddr*>(&any), size);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&any), &size);
    ::close(socket);
    return "127.0.0.1:" + std::to_string(ntohs(any.sin_port));
}

doctor_stage::doctor_stage()
    : listener_address{free_address()}, admin_address{free_address()}, superuser_url_{
                                                                           fresh_database()}
{
    static std::atomic<int> number{0};
    role_ = "served_" + std::to_string(++number);
    sql("CREATE ROLE " + role_ + " LOGIN IN ROLE gateway_writer");
    const auto& authority = certificate_authority::instance();
    write_file(certificate(), authority.server.certificate + authority.intermediate.certificate);
    write_file(private_key(), authority.server.private_key);
    write_file(key_file(), "doctor-signing-key-0123456789\n");
    for (const auto& file : {private_key(), key_file()})
        fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    use_url(as_user(superuser_url_, role_));
}

void doctor_stage::use_url(const std::string& url)
{
    database_lines = "url = '" + url + "'\n";
    write();
}

void doctor_stage::write() const
{
    std::ostringstream text;
    text << "[listener]\naddress = '" << listener_address << "'\ntls_certificate = '"
         << certificate().string() << "'\ntls_private_key = '" << private_key().string() << "'\n"
         << listener_lines << "[[endpoint]]\nname = 'main'\npath = '/webhooks/attentive'\n"
         << "signing_keys = [ { id = 'a', file = '" << key_file().string() << "' } ]\n"
         << "[database]\n"
         << database_lines << "[admin]\naddress = '" << admin_address << "'\n"
         << admin_lines << "[log]\nformat = 'text'\n"
         << more;
    write_file(config_file(), text.str());
}

void doctor_stage::sql(const std::string& statements) const
{
    query(superuser_url_, statements);
}

run_result doctor_stage::doctor() const
{
    return run({GATEWAY_BINARY, "doctor", "--config", config_file()}, {}, patience);
}

std::string doctor_stage::how_serve_fails()
{
    before_serve();
    process serve{{GATEWAY_BINARY, "serve", "--config", config_file()}};
    if (!serve.wait_for_output("listening on", patience)) {
        const auto code = serve.wait(0ms);
        return code && *code != 0 ? "ended with " + std::to_string(*code) + ": " + serve.errors()
                                  : "";
    }
    const std::string host = "https://localhost" + port_of(listener_address);
    const std::string root = certificate_authority::instance().root_file();
    const auto reached =
        run({"curl", "-sS", "--cacert", root, "--noproxy", "*", "-o", "/dev/null", host + "/"}, {},
            patience);
    if (reached.exit_code != 0)
        return "no handshake: " + reached.errors;
    const auto sent = run({GATEWAY_BINARY, "send", "--url", host + "/webhooks/attentive",
                           "--key-file", key_file(), "--ca-file", root, "--type", "sms.sent"},
                          {}, patience);
    return sent.exit_code == 0 ? "" : "refused: " + text_of(sent);
}

void prove(const breakage& b)
{
    doctor_stage stage;
    const auto well = stage.doctor();
    ASSERT_EQ(well.exit_code, 0) << text_of(well);
    ASSERT_EQ(well.output.find("FAIL"), std::string::npos) << well.output;

    b.harm(stage);
    const auto said = stage.doctor();

    EXPECT_EQ(said.exit_code, 1) << text_of(said);
    const std::regex line{"FAIL " + std::string{b.finding} + "[^\n]*\n"};
    std::smatch found;
    ASSERT_TRUE(std::regex_search(said.output, found, line)) << b.finding << "\n" << said.output;
    EXPECT_NE(found.str().find(" -> "), std::string::npos) << found.str();
    const std::string failed = stage.how_serve_fails();
    EXPECT_NE(failed, "") << "serve took an event\n" << said.output;
    testing::Test::RecordProperty("serve", failed.substr(0, 200));
}

} // namespace gateway::test
