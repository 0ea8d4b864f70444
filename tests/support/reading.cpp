// See reading.hpp. By hand: regular expressions took half of a test's time.
#include "support/reading.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace gateway::test {
namespace {

char lower(char c)
{
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

// The byte that two hexadecimal digits at `at` are, or -1.
int byte_at(const std::string& text, std::size_t at)
{
    if (at + 2 > text.size())
        return -1;
    int byte = 0;
    const auto* const end = text.data() + at + 2;
    return std::from_chars(end - 2, end, byte, 16).ptr == end ? byte : -1;
}

// What is written in hexadecimal behind a \\x, as bytea is.
std::string bytes_in(const std::string& row)
{
    std::string bytes;
    for (auto at = row.find("\\x"); at != std::string::npos; at = row.find("\\x", at)) {
        for (at += 2; byte_at(row, at) >= 0; at += 2)
            bytes += static_cast<char>(byte_at(row, at));
    }
    return bytes;
}

// Without one layer of %40 and \\u0040, however many backslashes stand before it.
std::string unescaped(const std::string& text)
{
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        auto code = at;
        while (code < text.size() && text[code] == '\\')
            ++code;
        const bool json = code > at && text.compare(code, 3, "u00") == 0;
        const bool url = text[at] == '%';
        const auto digits = json ? code + 3 : at + 1;
        const int byte = json || url ? byte_at(text, digits) : -1;
        if (byte < 0 || byte > 127) {
            plain += text[at];
            continue;
        }
        plain += static_cast<char>(byte);
        at = digits + 1;
    }
    return plain;
}

} // namespace

std::string reading_of(const std::string& row)
{
    std::string text = row + " " + bytes_in(row);
    for (int layer = 0; layer < 3; ++layer)
        text = unescaped(text);
    std::transform(text.begin(), text.end(), text.begin(), lower);
    return text;
}

} // namespace gateway::test
