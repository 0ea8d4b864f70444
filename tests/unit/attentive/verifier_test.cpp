// Signatures: what is accepted, what each refusal is called, and that refusals keep secrets.
#include "gateway/attentive/verifier.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

const std::string key_of_today = "key-of-today-0123456789";
const std::string key_of_before = "key-of-before-0123456789";

verifier verifier_of(std::vector<signing_key> keys)
{
    return verifier::make(keys).value();
}

delivery delivery_with(std::vector<std::string> signatures, std::string body = "{}")
{
    return {"attentive", std::move(body), std::move(signatures), {}};
}

// The refusal of one signature header of this value.
error refusal_of(std::string signature)
{
    const auto v = verifier_of({{"today", key_of_today}});
    return v.verify(delivery_with({std::move(signature)})).error();
}

TEST(VerifierTest, AcceptsWhatItsKeySigned)
{
    const auto v = verifier_of({{"today", key_of_today}});
    const std::string body{"{\"a\":\0 1}", 9};

    const auto verdict = v.verify(delivery_with({sign(key_of_today, body)}, body));

    ASSERT_TRUE(verdict.has_value());
    EXPECT_EQ(verdict.value().body(), body);
    EXPECT_EQ(verdict.value().endpoint(), "attentive");
    EXPECT_EQ(verdict.value().key_id(), "today");
}

// printf '{"type":"sms.sent"}' | openssl dgst -sha256 -hmac 0123456789abcdef
TEST(VerifierTest, SignsAsOpensslDoes)
{
    EXPECT_EQ(sign("0123456789abcdef", R"({"type":"sms.sent"})"),
              "4c6af1afbb14df90b38109949759b8ee9816642479f5f895accecdb84e3fa780");
}

TEST(VerifierTest, AcceptsHexOfEitherCase)
{
    const auto v = verifier_of({{"today", key_of_today}});
    std::string upper = sign(key_of_today, "{}");
    for (char& c : upper)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));

    EXPECT_TRUE(v.verify(delivery_with({upper})).has_value());
}

TEST(VerifierTest, SaysWhichOfSeveralKeysSigned)
{
    const auto v = verifier_of({{"before", key_of_before}, {"today", key_of_today}});

    const auto old_one = v.verify(delivery_with({sign(key_of_before, "{}")}));
    const auto new_one = v.verify(delivery_with({sign(key_of_today, "{}")}));

    EXPECT_EQ(old_one.value().key_id(), "before");
    EXPECT_EQ(new_one.value().key_id(), "today");
}

TEST(VerifierTest, RejectsABodyChangedAfterSigning)
{
    const auto v = verifier_of({{"today", key_of_today}});

    const auto verdict = v.verify(delivery_with({sign(key_of_today, "{}")}, "{} "));

    ASSERT_TRUE(verdict.has_error());
    EXPECT_EQ(verdict.error().code, errc::signature_mismatch);
}

TEST(VerifierTest, RejectsEverySingleChangedDigit)
{
    const auto v = verifier_of({{"today", key_of_today}});
    const std::string valid = sign(key_of_today, "{}");
    for (std::size_t i = 0; i < valid.size(); ++i) {
        std::string changed = valid;
        changed[i] = changed[i] == '0' ? '1' : '0';

        const auto verdict = v.verify(delivery_with({changed}));

        ASSERT_TRUE(verdict.has_error()) << i;
        EXPECT_EQ(verdict.error().code, errc::signature_mismatch);
    }
}

TEST(VerifierTest, NeedsExactlyOneHeader)
{
    const auto v = verifier_of({{"today", key_of_today}});
    const std::string valid = sign(key_of_today, "{}");

    EXPECT_EQ(v.verify(delivery_with({})).error().code, errc::signature_missing);
    EXPECT_EQ(v.verify(delivery_with({valid, valid})).error().code, errc::signature_repeated);
}

TEST(VerifierTest, NamesWhatAMalformedSignatureLooksLike)
{
    const std::string valid = sign(key_of_today, "{}");
    const std::vector<std::pair<std::string, std::string>> cases = {
        {valid + "zz", "66 characters"},
        {valid.substr(1), "63 characters"},
        {" " + valid, "65 characters"},
        {"z" + valid.substr(1), "a character that is none"},
        {"sha256=" + valid, "the prefix \"sha256=\""},
        {"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=", "base64"},
        {"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU", "base64"},
        {"", "the header is empty"},
    };
    for (const auto& [signature, words] : cases) {
        const auto refusal = refusal_of(signature);

        EXPECT_EQ(refusal.code, errc::signature_malformed) << signature;
        EXPECT_NE(refusal.detail.find(words), std::string::npos) << refusal.detail;
    }
}

TEST(VerifierTest, NeverRepeatsASignatureOrASecret)
{
    const std::string valid = sign(key_of_today, "{}");
    for (const auto& given : {valid + "zz", "sha256=" + valid, sign(key_of_before, "{}")}) {
        const auto detail = refusal_of(given).detail;

        EXPECT_EQ(detail.find(given.substr(7, 16)), std::string::npos) << detail;
        EXPECT_EQ(detail.find(key_of_today), std::string::npos) << detail;
    }
}

TEST(VerifierTest, RefusesToStartWithoutSoundKeys)
{
    const std::string enough(signing_key_bytes_min, 'k');
    const std::vector<std::vector<signing_key>> unsound = {
        {},
        {{"empty", ""}},
        {{"short", enough.substr(1)}},
        {{"", enough}},
        {{"twice", enough}, {"twice", enough + "2"}},
        {{"good", enough}, {"short", "x"}},
    };
    for (const auto& keys : unsound) {
        const auto made = verifier::make(keys);

        ASSERT_TRUE(made.has_error());
        EXPECT_EQ(made.error().code, errc::secret_invalid);
        EXPECT_FALSE(made.error().detail.empty());
    }
    EXPECT_TRUE(verifier::make({{"least", enough}}).has_value());
}

} // namespace
} // namespace gateway
