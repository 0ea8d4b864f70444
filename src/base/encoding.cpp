// Loops over bytes; see encoding.hpp.
#include "gateway/base/encoding.hpp"

#include <openssl/evp.h>

#include <vector>

namespace gateway {

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

std::string to_hex(std::string_view bytes)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

bool read_hex(std::string_view digits, std::span<std::uint8_t> bytes)
{
    if (digits.size() != 2 * bytes.size())
        return false;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const int high = hex_value(digits[2 * i]);
        const int low = hex_value(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return true;
}

std::optional<std::string> from_hex(std::string_view digits)
{
    std::vector<std::uint8_t> bytes(digits.size() / 2);
    if (digits.empty() || !read_hex(digits, bytes))
        return std::nullopt;
    return std::string{bytes.begin(), bytes.end()};
}

std::string to_base64(std::string_view bytes)
{
    std::string out((bytes.size() + 2) / 3 * 4, '\0'); // a NUL goes behind it
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                    reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size()));
    return out;
}

// OpenSSL's decoder wants padding and one alphabet, and skips white space.
std::optional<std::string> from_base64(std::string_view text)
{
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text = text.substr(0, text.find_last_not_of('=') + 1);
    if (text.empty() || text.size() % 4 == 1)
        return std::nullopt;
    std::string out;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
        const std::size_t value = alphabet.find(c);
        if (value == std::string_view::npos)
            return std::nullopt;
        bits = bits << 6U | static_cast<std::uint32_t>(value);
        if (i % 4 != 0) // each but the first of four completes a byte
            out += static_cast<char>(bits >> (6U - 2U * (i % 4)) & 0xFFU);
    }
    return out;
}

void append_json_string(std::string& out, std::string_view text)
{
    constexpr std::string_view hex = "0123456789abcdef";
    constexpr std::string_view short_forms = "btnvfr"; // U+0008 to U+000D; v is no JSON
    out += '"';
    std::size_t plain = 0; // start of what needs no escape and is not yet appended
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20U && c != '"' && c != '\\')
            continue;
        out.append(text, plain, i - plain);
        plain = i + 1;
        out += '\\';
        if (c == '"' || c == '\\')
            out += text[i];
        else if (c >= '\b' && c <= '\r' && c != '\v')
            out += short_forms[c - std::size_t{'\b'}];
        else
            out.append("u00").append(1, hex[c >> 4U]).append(1, hex[c & 15U]);
    }
    out.append(text, plain, text.size() - plain);
    out += '"';
}

std::string without_controls(std::string_view text)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto c = static_cast<unsigned char>(text[i]);
        const auto following = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
        const bool is_c1 = c == 0xc2U && following >= 0x80U && following < 0xa0U; // in UTF-8
        if (is_c1) {
            c = static_cast<unsigned char>(following);
            ++i;
        }
        if (is_c1 || c < 0x20U || c == 0x7fU)
            out.append("\\u00").append(1, digits[c >> 4U]).append(1, digits[c & 15U]);
        else
            out += text[i];
    }
    return out;
}

std::string single_quoted(std::string_view text)
{
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + "'";
}

} // namespace gateway
