// `verify`: is this signature the key's, and if not, which of the usual mistakes explains it? It
// tries what people and tools do to keys and bodies on the way: newlines added, keys decoded,
// JSON reformatted, the code written as base64.
#include "app/commands/verify.hpp"
#include "app/commands/command.hpp"
#include "app/config/read_file.hpp"
#include "app/config/secrets.hpp"
#include "app/console/print.hpp"
#include "gateway/attentive/verifier.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/text.hpp"

#include <optional>

namespace gateway {
namespace {

struct variant {
    std::string bytes;
    std::string how; // empty: as given
};

// JSON without white space between its tokens: what a tool makes that parses and writes it again.
std::string without_white_space(std::string_view json)
{
    std::string out;
    bool in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (in_string && c == '\\' && i + 1 < json.size()) {
            out += c;
            out += json[++i];
            continue;
        }
        if (c == '"')
            in_string = !in_string;
        if (in_string || (c != ' ' && c != '\t' && c != '\r' && c != '\n'))
            out += c;
    }
    return out;
}

std::string without_returns(std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n')
            out += text[i];
    }
    return out;
}

std::vector<variant> key_variants(std::string_view key, std::string_view key_file)
{
    std::vector<variant> all = {{std::string{key}, {}}};
    all.push_back({std::string{trimmed(key)},
                   "the key without the white space around it; the key file holds too much"});
    all.push_back({std::string{key_file},
                   "the key with the newline at the end of its file; the sender's copy of the key "
                   "holds a newline too many"});
    if (auto decoded = from_hex(trimmed(key)))
        all.push_back({std::move(*decoded), "the key decoded from hex; Attentive uses its text as "
                                            "it is, without decoding"});
    if (auto decoded = from_base64(trimmed(key)))
        all.push_back({std::move(*decoded), "the key decoded from base64; Attentive uses its text "
                                            "as it is, without decoding"});
    return all;
}

std::vector<variant> body_variants(std::string_view body)
{
    std::vector<variant> all = {{std::string{body}, {}}};
    if (!body.empty() && body.back() == '\n') {
        const std::string_view shorter = body.substr(0, body.size() - 1);
        all.push_back({std::string{shorter}, "the body without the newline at its end; an editor "
                                             "or `echo` added it (use printf '%s')"});
        if (!shorter.empty() && shorter.back() == '\r')
            all.push_back({std::string{shorter.substr(0, shorter.size() - 1)},
                           "the body without the line end that was added to it"});
    }
    all.push_back(
        {std::string{body} + "\n", "the body with a newline at its end; the copy lost it"});
    all.push_back({without_returns(body), "the body with \\n in place of \\r\\n; a tool changed "
                                          "its line ends"});
    all.push_back({without_white_space(body), "the body without white space between its JSON "
                                              "tokens; a tool reformatted it"});
    return all;
}

// The 32 bytes in `signature`, whatever its writing, and what is wrong with that.
std::optional<std::pair<digest256, std::string>> lenient_digest(std::string_view signature)
{
    std::string_view text = trimmed(signature);
    std::string wrong = text.size() == signature.size() ? "" : "white space around it";
    for (const std::string_view prefix : {"sha256=", "SHA256=", "hmac-sha256=", "v1="}) {
        if (text.substr(0, prefix.size()) == prefix) {
            text.remove_prefix(prefix.size());
            wrong = "the prefix \"" + std::string{prefix} + "\"";
        }
    }
    if (const auto hex = digest_from_hex(text))
        return std::pair{*hex, wrong};
    const auto decoded = from_base64(text);
    if (!decoded || decoded->size() != sizeof(digest256))
        return std::nullopt;
    return std::pair{*digest_from_hex(to_hex(*decoded)), std::string{"base64 instead of hex"}};
}

} // namespace

std::string explain_mismatch(std::string_view key, std::string_view key_file,
                             std::string_view signature, std::string_view body)
{
    const auto given = lenient_digest(signature);
    if (!given)
        return {};
    const auto& [digest, wrong_form] = *given;
    std::string out;
    if (!wrong_form.empty())
        out =
            "The signature is written with " + wrong_form + ": exactly 64 hex digits are expected.";
    const std::string joint = out.empty() ? "" : "\n";
    for (const variant& k : key_variants(key, key_file)) {
        const hmac_sha256 mac{k.bytes};
        for (const variant& b : body_variants(body)) {
            if (!constant_time_equal(mac(b.bytes), digest))
                continue;
            if (k.how.empty() && b.how.empty())
                return out + joint + "Apart from that it is the key's.";
            const std::string both = k.how.empty() || b.how.empty() ? "" : ",\nand ";
            return out + joint + "It would be valid for " + k.how + both + b.how + ".";
        }
    }
    if (constant_time_equal(sha256(body), digest))
        return out + joint + "It is the plain SHA-256 of the body: no key went into it.";
    return out;
}

namespace {

struct verify_command {
    std::filesystem::path key_file;
    std::string signature;

    void declare(option_list& options)
    {
        options.value("--key-file", key_file, "FILE", "File that holds the signing key").required();
        options
            .value("--signature", signature, "HEX", "Value of the header x-attentive-hmac-sha256")
            .required();
    }

    result<int> run() const
    {
        BOOST_OUTCOME_TRY(const auto bare,
                          read_signing_key(secret_source{key_file.string(), {}, {}}));
        const std::string& key = bare.key;
        BOOST_OUTCOME_TRY(const auto whole_file, read_file(key_file, secret_bytes_max));
        BOOST_OUTCOME_TRY(const auto made, verifier::make({signing_key{"given", key}}));
        BOOST_OUTCOME_TRY(const auto body, read_body("the body"));
        const auto verdict =
            made.verify({.endpoint = "verify", .body = body, .signatures = {signature}});
        if (verdict) {
            print_out("valid: the key signed these {} bytes\n", body.size());
            return exit_ok;
        }
        const error& e = verdict.error();
        print_out("not valid: {}{}{}\n", name(e.code), e.detail.empty() ? "" : ": ", e.detail);
        const std::string why = explain_mismatch(key, whole_file, signature, body);
        print_out("{}\n", why.empty()
                              ? "No usual mistake explains it: it is another key's, or another "
                                "body's."
                              : why);
        print_out("The body has {} bytes (SHA-256 {}), the key {}.\n", body.size(),
                  to_hex(sha256(body)), key.size());
        return exit_failed;
    }
};

} // namespace

std::vector<command> verify_commands()
{
    return {subcommand<verify_command>(
        {"verify", "--key-file FILE --signature HEX < BODY",
         "Say whether a signature is right for the body on standard input, or why not",
         R"(
Tries the usual mistakes, such as a newline too many or a decoded key.

Example:
  attentive-gateway verify --key-file signing-key --signature 9f86d0… < body.json
)"})};
}

} // namespace gateway
