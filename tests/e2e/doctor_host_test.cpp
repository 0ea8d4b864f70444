// What breaks on the gateway's own host: configuration, keys, certificates, ports, spool. Each is
// seen by `doctor` before events find out, and `serve` proves that it would have mattered.
#include "doctor_stage.hpp"
#include "support/cluster.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gateway {
namespace {

using namespace test;
namespace fs = std::filesystem;

certificate_authority& authority()
{
    return certificate_authority::instance();
}

void use_chain(doctor_stage& s, const certificate_authority::pair& server,
               const std::string& intermediates)
{
    write_file(s.certificate(), server.certificate + intermediates);
    write_file(s.private_key(), server.private_key);
}

// Somebody else listens there, who is no gateway.
void occupy(doctor_stage& s, const std::string& address)
{
    const auto descriptor =
        std::shared_ptr<int>{new int{::socket(AF_INET, SOCK_STREAM, 0)}, [](const int* each) {
                                 ::close(*each);
                                 delete each;
                             }};
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port =
        htons(static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
    ASSERT_EQ(::bind(*descriptor, reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    ASSERT_EQ(::listen(*descriptor, 8), 0);
    s.kept.push_back(descriptor);
}

void add(doctor_stage& s, std::string doctor_stage::*where, const std::string& lines)
{
    s.*where += lines;
    s.write();
}

std::string spool_section(const fs::path& directory, bool any_file_system = true)
{
    return "[spool]\ndirectory = '" + directory.string() +
           (any_file_system ? "'\nany_file_system = true\n" : "'\n");
}

const std::vector<breakage>& configurations()
{
    static const std::vector<breakage> all = {
        {"UnknownSection", [](auto& s) { add(s, &doctor_stage::more, "[limitz]\n"); },
         "configuration .*gateway.toml:[0-9]+:2: limitz: unknown section"},
        {"ProxyProtocolForNobody",
         [](auto& s) { add(s, &doctor_stage::listener_lines, "proxy_protocol = true\n"); },
         "configuration .*gateway.toml:5:[0-9]+: listener.proxy_protocol: stands without trusted"},
        {"OnePortForBoth",
         [](auto& s) {
             s.admin_address = s.listener_address;
             s.write();
         },
         "configuration .*gateway.toml:[0-9]+:[0-9]+: admin.address: .*is the port of"},
        {"RelativeSpool",
         [](auto& s) { add(s, &doctor_stage::more, "[spool]\ndirectory = 'spool'\n"); },
         "configuration .*spool.directory: \"spool\" is relative"},
        {"AnswersBeforeTheBatchEnds",
         [](auto& s) { add(s, &doctor_stage::more, "[limits]\nanswer_timeout = '1s'\n"); },
         "configuration .*limits.answer_timeout: shorter than batch_deadline"},
        {"NoAdminToken",
         [](auto& s) {
             add(s, &doctor_stage::admin_lines, "token = { file = '/nowhere/token' }\n");
         },
         "admin port .*gateway.toml:[0-9]+:[0-9]+: admin.token: .*/nowhere/token"},
        {"ShortAdminToken",
         [](auto& s) {
             write_file(s.directory() / "token", "short\n");
             add(s, &doctor_stage::admin_lines,
                 "token = { file = '" + (s.directory() / "token").string() + "' }\n");
         },
         "admin port .*at least 16 printable"},
    };
    return all;
}

const std::vector<breakage>& keys()
{
    static const std::vector<breakage> all = {
        {"NoKeyFile", [](auto& s) { fs::remove(s.key_file()); },
         "signing keys .*gateway.toml:8:[0-9]+: endpoint main, signing key a: "},
        {"EmptyKey", [](auto& s) { write_file(s.key_file(), "\n"); }, "signing keys .*"},
        {"ShortKey", [](auto& s) { write_file(s.key_file(), "0123456789\n"); },
         "signing keys .*only 10 bytes"},
        {"BlankInsideTheKey",
         [](auto& s) { write_file(s.key_file(), "doctor signing-key-0123456789\n"); },
         "signing keys .*byte 7 of 29 is a blank"},
        {"TwoKeysInOneFile",
         [](auto& s) {
             write_file(s.key_file(), "doctor-signing-key-0123456789\nother-key-0123456789\n");
         },
         "signing keys .*byte 30 of 50 is a blank"},
        {"KeyInUtf16",
         [](auto& s) {
             write_file(s.key_file(), std::string("\xff\xfe"
                                                  "k\0e\0y\0",
                                                  8));
         },
         "signing keys .*NUL"},
    };
    return all;
}

const std::vector<breakage>& certificates()
{
    static const std::vector<breakage> all = {
        {"NoCertificateFile", [](auto& s) { fs::remove(s.certificate()); },
         "certificate .*gateway.toml:3:[0-9]+: listener.tls_certificate: "},
        {"NoPrivateKeyFile", [](auto& s) { fs::remove(s.private_key()); },
         "certificate .*gateway.toml:4:[0-9]+: listener.tls_private_key: "},
        {"HalfWrittenCertificate",
         [](auto& s) {
             const auto pem = read_file(s.certificate());
             write_file(s.certificate(), pem.substr(0, pem.size() - 100));
         },
         "certificate .*not a whole PEM"},
        {"ForeignPrivateKey",
         [](auto& s) { write_file(s.private_key(), authority().intermediate.private_key); },
         "certificate .*out of order"},
        {"OtherPrivateKey",
         [](auto& s) { write_file(s.private_key(), authority().root.private_key); },
         "certificate .*does not belong to"},
        {"ExpiredCertificate",
         [](auto& s) {
             use_chain(s,
                       authority().issue("localhost", authority().intermediate, server_extensions,
                                         "P-256", -1),
                       authority().intermediate.certificate);
         },
         "certificate .*has expired"},
        {"NoIntermediate", [](auto& s) { use_chain(s, authority().server, ""); },
         "certificate .*alone.*issuer \"Test Intermediate\".* -> get the certificate of"},
        {"ExpiredIntermediate",
         [](auto& s) {
             use_chain(s, authority().server, authority().expired_intermediate.certificate);
         },
         "certificate .*intermediate \"Test Intermediate\" has expired"},
        {"ForeignIntermediate",
         [](auto& s) {
             use_chain(
                 s, authority().server,
                 authority().issue("Other", authority().root, authority_extensions).certificate);
         },
         "certificate .*\"Other\" did not issue \"localhost\""},
        {"IntermediateFirst",
         [](auto& s) {
             write_file(s.certificate(),
                        authority().intermediate.certificate + authority().server.certificate);
         },
         "certificate .*out of order"},
        {"IntermediateThatIsNoAuthority",
         [](auto& s) {
             const auto unfit = authority().issue_for_localhost(authority().root);
             use_chain(s, authority().issue_for_localhost(unfit), unfit.certificate);
         },
         "certificate .*is no authority"},
        {"CertificateForClients",
         [](auto& s) {
             use_chain(
                 s,
                 authority().issue("localhost", authority().intermediate,
                                   {"subjectAltName=DNS:localhost", "extendedKeyUsage=clientAuth"}),
                 authority().intermediate.certificate);
         },
         "certificate .*senders would refuse"},
        {"KeyOnACurveThatTlsDoesNotKnow",
         [](auto& s) {
             use_chain(s, authority().issue_for_localhost(authority().intermediate, "secp256k1"),
                       authority().intermediate.certificate);
         },
         "handshake .*none by TLS 1.2"},
    };
    return all;
}

const std::vector<breakage>& ports_and_spools()
{
    static const std::vector<breakage> all = {
        {"AdminPortTaken", [](auto& s) { occupy(s, s.admin_address); }, "admin port .*in use"},
        {"WebhookPortTaken", [](auto& s) { occupy(s, s.listener_address); }, "port .*in use"},
        {"AddressOfAnotherHost",
         [](auto& s) {
             s.listener_address = "192.0.2.1:8443";
             s.write();
         },
         "port .*192.0.2.1:8443"},
        {"SpoolInMemory",
         [](auto& s) {
             const fs::path memory = "/dev/shm/spool-" + s.directory().filename().string();
             add(s, &doctor_stage::more, spool_section(memory, false));
             s.kept.push_back(
                 std::shared_ptr<void>{nullptr, [memory](void*) { fs::remove_all(memory); }});
         },
         "spool .*tmpfs"},
        {"SpoolBelowAFile",
         [](auto& s) { add(s, &doctor_stage::more, spool_section(s.key_file() / "spool")); },
         "spool .*"},
        {"SpoolIsAFile", [](auto& s) { add(s, &doctor_stage::more, spool_section(s.key_file())); },
         "spool .*"},
        {"SpoolOfAnotherProcess",
         [](auto& s) {
             const auto spool = s.directory() / "spool";
             fs::create_directory(spool);
             const auto lock = std::shared_ptr<int>{
                 new int{::open((spool / "spool.lock").c_str(), O_RDWR | O_CREAT, 0600)},
                 [](const int* each) {
                     ::close(*each);
                     delete each;
                 }};
             ASSERT_EQ(::flock(*lock, LOCK_EX), 0);
             s.kept.push_back(lock);
             add(s, &doctor_stage::more, spool_section(spool));
         },
         "spool .*in use"},
    };
    return all;
}

class DoctorHostTest : public testing::TestWithParam<breakage> {};

TEST_P(DoctorHostTest, IsSeenBeforeServeFails)
{
    prove(GetParam());
}

std::string name_of(const testing::TestParamInfo<breakage>& each)
{
    return each.param.name;
}

INSTANTIATE_TEST_SUITE_P(Configuration, DoctorHostTest, testing::ValuesIn(configurations()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Keys, DoctorHostTest, testing::ValuesIn(keys()), name_of);
INSTANTIATE_TEST_SUITE_P(Certificates, DoctorHostTest, testing::ValuesIn(certificates()), name_of);
INSTANTIATE_TEST_SUITE_P(Ports, DoctorHostTest, testing::ValuesIn(ports_and_spools()), name_of);

} // namespace
} // namespace gateway
