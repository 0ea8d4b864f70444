// config/openapi.json against the real daemon: each answer that it describes is given at least
// once, and each that is given fits its schema.
#include "gateway/attentive/verifier.hpp"
#include "gateway/demo/samples.hpp"
#include "gateway/model/quarantine.hpp"
#include "listener/answer.hpp"
#include "support/gateway_process.hpp"
#include "support/json_schema.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::gateway_process;
using words = std::vector<std::string>;

json described()
{
    return json::parse(
        test::read_file(std::filesystem::path{GATEWAY_SOURCE_DIR} / "config/openapi.json"));
}

// "POST /webhooks/attentive 200", for every answer in the document.
std::set<std::string> all_described(const json& document)
{
    std::set<std::string> all;
    for (const auto& [path, item] : document.at("paths").items()) {
        for (const char* method : {"get", "post"}) {
            if (!item.contains(method))
                continue;
            for (const auto& [status, response] : item[method].at("responses").items())
                all.insert(std::string{method} + " " + path + " " + status);
        }
    }
    return all;
}

class OpenapiTest : public testing::Test {
protected:
    // Asks, and holds the answer against the description of `path`.
    std::string ask(const gateway_process& gateway, const std::string& method,
                    const std::string& path, const words& more = {})
    {
        const bool webhook = path.starts_with("/w") || path == "/healthz" || path == "/{unknown}";
        const auto& url = gateway.url();
        const std::string port = webhook ? url.substr(0, url.find('/', 9)) : gateway.admin_url();
        words arguments = {"curl",
                           "-sS",
                           "-m",
                           "60",
                           "--cacert",
                           gateway.certificate(),
                           "-w",
                           "\n%{http_code}",
                           port + (path == "/{unknown}" ? "/lost" : path)};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const auto asked = test::run(arguments, {}, 90s);
        const auto newline = asked.output.rfind('\n');
        const std::string status = asked.output.substr(newline + 1);
        check(method, path, status, asked.output.substr(0, newline));
        return status;
    }

    void check(const std::string& method, const std::string& path, const std::string& status,
               const std::string& body)
    {
        const std::string name = method + " " + path + " " + status;
        given_.insert(name);
        const json responses = document_.at("paths").at(path).at(method).at("responses");
        ASSERT_TRUE(responses.contains(status)) << name << " is not described: " << body;
        const json& content = responses[status].at("content");
        if (!content.contains("application/json"))
            return;
        ASSERT_TRUE(json::accept(body)) << name << ": " << body;
        EXPECT_EQ(test::schema_fault(json::parse(body), content["application/json"].at("schema"),
                                     document_),
                  "")
            << name << ": " << body;
    }

    std::string deliver(const gateway_process& gateway, const std::string& body,
                        const words& more = {})
    {
        words arguments = {"-H",
                           "x-attentive-hmac-sha256: " +
                               sign(test::gateway_options{}.signing_key, body),
                           "-H",
                           "Content-Type: application/json",
                           "--data-binary",
                           body};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return ask(gateway, "post", "/webhooks/attentive", arguments);
    }

    void ask_one_that_serves();
    void ask_one_that_cannot();

    const json document_ = described();
    std::set<std::string> given_;
};

void OpenapiTest::ask_one_that_serves()
{
    const gateway_process gateway{
        {.configuration = "body_bytes_max = '8KiB'\nbody_timeout = '200ms'\n"}};
    const std::string hook = "/webhooks/attentive";
    const std::string event{documented_sample("sms.sent")};
    const std::string odd =
        R"({"type":"sms.unheard_of","timestamp":1767225600000,"company":{"company_id":"C"}})";
    EXPECT_EQ(deliver(gateway, event), "200");
    EXPECT_EQ(deliver(gateway, event), "200"); // a duplicate
    EXPECT_EQ(deliver(gateway, odd), "202");
    EXPECT_EQ(deliver(gateway, "no JSON"), "202");
    EXPECT_EQ(deliver(gateway, event, {"-H", "Host: a b"}), "400");
    EXPECT_EQ(ask(gateway, "post", hook, {"-d", "{}", "-H", "Content-Type: application/json"}),
              "401");
    EXPECT_EQ(deliver(gateway, event, {"-H", "Content-Length: 7000"}), "408");
    EXPECT_EQ(ask(gateway, "post", hook, {"-X", "POST"}), "411");
    EXPECT_EQ(deliver(gateway, std::string(9'000, ' ')), "413");
    EXPECT_EQ(deliver(gateway, event, {"-H", "Content-Encoding: gzip"}), "415");
    EXPECT_EQ(deliver(gateway, event, {"-H", "Expect: more"}), "417");
    EXPECT_EQ(deliver(gateway, event, {"-H", "x-more: " + std::string(9'000, 'x')}), "431");
    EXPECT_EQ(ask(gateway, "get", hook), "405");
    EXPECT_EQ(ask(gateway, "get", hook, {"-X", "BREW"}), "501");
    EXPECT_EQ(ask(gateway, "get", "/{unknown}"), "404");
    EXPECT_EQ(ask(gateway, "get", "/healthz"), "200");
    EXPECT_EQ(ask(gateway, "get", "/livez"), "200");
    EXPECT_EQ(ask(gateway, "get", "/readyz"), "200");
    for (const std::string path : {"/metrics", "/page.json"}) {
        EXPECT_EQ(ask(gateway, "get", path), "200");
        EXPECT_EQ(ask(gateway, "get", path, {"-H", "Host: events.example.com"}), "421");
    }
}

void OpenapiTest::ask_one_that_cannot()
{
    const test::temporary_directory directory;
    test::write_file(directory / "token", "0123456789abcdef\n");
    const gateway_process gateway{
        {.admin = "token = { file = '" + (directory / "token").string() + "' }\n",
         .database_url = "postgresql://nobody@127.0.0.1:1/nothing",
         .migrate = false}};
    EXPECT_TRUE(test::becomes([&] { return ask(gateway, "get", "/readyz") == "503"; }, 90s));
    EXPECT_EQ(ask(gateway, "get", "/healthz"), "503");
    EXPECT_EQ(deliver(gateway, std::string{documented_sample("sms.sent")}), "503");
    for (const std::string path : {"/metrics", "/page.json"}) {
        EXPECT_EQ(ask(gateway, "get", path), "401");
        EXPECT_EQ(ask(gateway, "get", path, {"-H", "Authorization: Bearer 0123456789abcdef"}),
                  "200");
    }
}

TEST_F(OpenapiTest, DescribesWhatTheProgramAnswersAndNothingElse)
{
    ask_one_that_serves();
    ask_one_that_cannot();

    EXPECT_EQ(given_, all_described(document_));
}

bool is_told(const json& document, int status, std::string_view code)
{
    const std::string name{code};
    const std::string text = std::to_string(status);
    for (const auto& [path, item] : document.at("paths").items()) {
        for (const auto& [method, operation] : item.items()) {
            if (method == "servers" || !operation.at("responses").contains(text))
                continue;
            const auto shown = operation["responses"][text].dump();
            if (shown.find('"' + name + '"') != std::string::npos)
                return true;
        }
    }
    return false;
}

TEST_F(OpenapiTest, NamesEachCodeUnderItsStatus)
{
    for (int code = 0; code <= static_cast<int>(errc::process_failed); ++code) {
        const auto why = static_cast<errc>(code);
        EXPECT_TRUE(is_told(document_, http_status(why), name(why))) << name(why);
    }
    const json kept =
        document_.at("components").at("schemas").at("quarantined").at("properties").at("reason");
    for (const auto why : quarantine_reasons()) {
        const json& reasons = kept.at("enum");
        EXPECT_NE(std::find(reasons.begin(), reasons.end(), name(why)), reasons.end()) << name(why);
    }
}

} // namespace
} // namespace gateway
