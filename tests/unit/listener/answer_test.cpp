// Statuses, JSON and bytes of answers, each error code once.
#include "listener/answer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

struct expected_status {
    errc code;
    int status;
};

constexpr expected_status statuses[] = {
    {errc::signature_missing, 401},
    {errc::signature_repeated, 401},
    {errc::signature_malformed, 401},
    {errc::signature_mismatch, 401},
    {errc::framing_invalid, 400},
    {errc::target_unknown, 404},
    {errc::method_not_allowed, 405},
    {errc::request_timeout, 408},
    {errc::length_required, 411},
    {errc::body_too_large, 413},
    {errc::media_type_unsupported, 415},
    {errc::header_too_large, 431},
    {errc::overloaded, 503},
    {errc::database_unavailable, 503},
    {errc::database_failed, 503},
    {errc::schema_mismatch, 503},
    {errc::config_invalid, 503},
    {errc::secret_invalid, 503},
    {errc::io_failed, 503},
    {errc::network_failed, 503},
    {errc::process_failed, 503},
};

TEST(AnswerTest, EveryCodeHasItsStatusAndIsJsonWithWords)
{
    for (const auto& [code, status] : statuses) {
        const answer a = answer_to(fail(code), 5s);

        EXPECT_EQ(a.status, status) << name(code);
        const auto json = nlohmann::json::parse(a.body);
        EXPECT_EQ(json.at("error").at("code"), name(code));
        EXPECT_GT(json.at("error").at("message").get<std::string>().size(), 10U);
        EXPECT_EQ(a.fields.find("Retry-After: 5\r\n") != std::string::npos, status == 503);
    }
}

TEST(AnswerTest, TheSendersFaultIsToldInDetailOursIsNot)
{
    const answer theirs = answer_to(fail(errc::signature_malformed, "this looks like base64"), 5s);
    const answer ours = answer_to(fail(errc::database_failed, "relation does not exist"), 5s);

    EXPECT_THAT(theirs.body, HasSubstr("this looks like base64"));
    EXPECT_THAT(ours.body, Not(HasSubstr("relation")));
}

TEST(AnswerTest, WordsCannotBreakTheJson)
{
    const answer a = answer_to(fail(errc::framing_invalid, "a \"quote\" \\ and\na line"), 5s);

    EXPECT_EQ(nlohmann::json::parse(a.body).at("error").at("message"),
              "a \"quote\" \\ and\na line");
}

TEST(AnswerTest, EveryQuarantineReasonIsToldAndIsNoReasonToSendAgain)
{
    for (const auto reason :
         {quarantine_reason::malformed_json, quarantine_reason::json_limits,
          quarantine_reason::envelope_missing, quarantine_reason::type_unknown,
          quarantine_reason::timestamp_invalid, quarantine_reason::company_invalid,
          quarantine_reason::field_invalid, quarantine_reason::database_rejected}) {
        const answer a = answer_to(receipt{disposition::quarantined, {}, reason});

        EXPECT_EQ(a.status, 202);
        EXPECT_THAT(a.body, HasSubstr(std::string{name(reason)}));
        EXPECT_THAT(a.body, HasSubstr("quarantine_id"));
    }
}

TEST(AnswerTest, TheWireFormIsExact)
{
    const answer a{405, "{}\n", "Allow: POST\r\n"};
    wire_form form;
    form.date = "Sun, 06 Nov 1994 08:49:37 GMT";
    form.close = true;
    std::string out;

    render(a, form, out);

    EXPECT_EQ(out, "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                   "Content-Type: application/json\r\nContent-Length: 3\r\nAllow: POST\r\n"
                   "Connection: close\r\n\r\n{}\n");
}

TEST(AnswerTest, DatesAreThoseOfHttp)
{
    EXPECT_EQ(http_date(std::chrono::sys_seconds{784111777s}), "Sun, 06 Nov 1994 08:49:37 GMT");
}

} // namespace
} // namespace gateway
