// Each usual mistake with keys and bodies is recognised by name, and nothing else is.
#include "app/commands/verify.hpp"
#include "gateway/attentive/verifier.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

const std::string key = "0123456789abcdef0123456789abcdef";
const std::string body = R"({"a": "b c",  "d": 1})";

// What is said of `signature` when key and body are as above.
std::string said(const std::string& signature, const std::string& given_body = body,
                 const std::string& given_key = key)
{
    return explain_mismatch(given_key, given_key + "\n", signature, given_body);
}

bool mentions(const std::string& text, const std::string& words)
{
    return text.find(words) != std::string::npos;
}

TEST(ExplainMismatchTest, NamesANewlineAddedToTheBody)
{
    EXPECT_TRUE(mentions(said(sign(key, body), body + "\n"), "without the newline at its end"));
    EXPECT_TRUE(mentions(said(sign(key, body), body + "\r\n"), "without the line end"));
}

TEST(ExplainMismatchTest, NamesANewlineLostFromTheBody)
{
    EXPECT_TRUE(mentions(said(sign(key, body + "\n")), "with a newline at its end"));
}

TEST(ExplainMismatchTest, NamesChangedLineEnds)
{
    EXPECT_TRUE(mentions(said(sign(key, "{\n}"), "{\r\n}"), "\\r\\n"));
}

TEST(ExplainMismatchTest, NamesReformattedJson)
{
    EXPECT_TRUE(mentions(said(sign(key, R"({"a":"b c","d":1})")), "white space between its JSON"));
}

TEST(ExplainMismatchTest, NamesWhiteSpaceAroundTheKey)
{
    EXPECT_TRUE(mentions(said(sign(key, body), body, " " + key + "\n"), "white space around it"));
}

TEST(ExplainMismatchTest, NamesANewlineInTheSendersKey)
{
    EXPECT_TRUE(mentions(said(sign(key + "\n", body)), "newline at the end of its file"));
}

TEST(ExplainMismatchTest, NamesADecodedKey)
{
    const std::string decoded = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";

    EXPECT_TRUE(mentions(said(sign(decoded, body)), "decoded from hex"));
    EXPECT_TRUE(mentions(said(sign("sixteen bytes ok", body), body, "c2l4dGVlbiBieXRlcyBvaw=="),
                         "decoded from base64"));
}

TEST(ExplainMismatchTest, NamesTwoMistakesTogether)
{
    const std::string text = said(sign(key, body), body + "\n", key + " ");

    EXPECT_TRUE(mentions(text, "white space around it"));
    EXPECT_TRUE(mentions(text, "without the newline at its end"));
}

TEST(ExplainMismatchTest, NamesASignatureWrittenAsBase64OrWithAPrefix)
{
    // printf abc | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary | base64
    const std::string base64 = "pgyFmmgnxepXakjY02hnL7/kZnxqknQoKEoMs4WcwdY=";

    EXPECT_TRUE(mentions(said("sha256=" + sign(key, body)), "prefix"));
    EXPECT_TRUE(mentions(said(base64, "abc"), "base64 instead of hex"));
    EXPECT_TRUE(mentions(said(base64, "abc"), "Apart from that it is the key's"));
}

TEST(ExplainMismatchTest, NamesAPlainDigest)
{
    EXPECT_TRUE(mentions(said(to_hex(sha256(body))), "no key went into it"));
}

TEST(ExplainMismatchTest, SaysNothingOfWhatItDoesNotUnderstand)
{
    EXPECT_EQ(said(sign("another key entirely", body)), "");
    EXPECT_EQ(said("nonsense"), "");
    EXPECT_EQ(said(""), "");
}

} // namespace
} // namespace gateway
