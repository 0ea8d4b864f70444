// Classes of inbound texts; see keyword.hpp.
#include "attentive/keyword.hpp"

#include "gateway/base/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace gateway {
namespace {

constexpr std::array<std::string_view, 11> stop_texts = {
    "stop",   "quit",        "end",     "revoke",   "opt out", "optout",
    "cancel", "unsubscribe", "stopall", "stop all", "remove"};
constexpr std::array<std::string_view, 2> help_texts = {"help", "info"};
constexpr std::array<std::string_view, 6> start_texts = {"start", "unstop", "yes",
                                                         "y",     "join",   "subscribe"};
// Found as whole words, hence the blanks.
constexpr std::array<std::string_view, 9> stop_words = {" stop ",        " quit ",      " revoke ",
                                                        " unsubscribe ", " optout ",    " opt out ",
                                                        " stopall ",     " remove me ", " no mas "};

// Punctuation, symbols, emoji and their modifiers beyond ASCII, roughly by Unicode block: what
// people and keyboards put around a word. All else beyond ASCII counts as a letter.
struct code_point_range {
    std::uint32_t first;
    std::uint32_t last;
};
constexpr std::array<code_point_range, 10> separators = {{{0x80, 0xA9},
                                                          {0xAB, 0xB4},
                                                          {0xB6, 0xB9},
                                                          {0xBB, 0xBF},
                                                          {0x2000, 0x2BFF},
                                                          {0x3000, 0x3004},
                                                          {0x3008, 0x3020},
                                                          {0xFE00, 0xFE6F},
                                                          {0xFEFF, 0xFEFF},
                                                          {0x1F000, 0x1FAFF}}};

bool is_separator(std::uint32_t code_point)
{
    if (code_point < 0x80U) {
        const char c = static_cast<char>(code_point);
        return !is_digit(c) && !(c >= 'a' && c <= 'z');
    }
    return std::any_of(separators.begin(), separators.end(), [=](const auto& range) {
        return code_point >= range.first && code_point <= range.last;
    });
}

// Code point and bytes of the sequence at the start of `text`, which is well-formed UTF-8; of
// anything else a byte at a time.
std::pair<std::uint32_t, std::size_t> first_code_point(std::string_view text)
{
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t length = lead < 0xC0U ? 1 : lead < 0xE0U ? 2 : lead < 0xF0U ? 3 : 4;
    if (length == 1 || text.size() < length)
        return {lead, 1};
    std::uint32_t value = lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i)
        value = value << 6U | (static_cast<unsigned char>(text[i]) & 0x3FU);
    return {value, length};
}

// Lower case, with one blank before, between and behind the words: " stop it "; " " for none.
std::string words_of(std::string_view text)
{
    std::string lower = ascii_lower(text);
    std::string_view rest = lower;
    std::string out = " ";
    while (!rest.empty()) {
        const auto [code_point, length] = first_code_point(rest);
        if (!is_separator(code_point))
            out += rest.substr(0, length);
        else if (out.back() != ' ')
            out += ' ';
        rest.remove_prefix(length);
    }
    if (out.back() != ' ')
        out += ' ';
    return out;
}

template <class Texts>
bool contains(const Texts& texts, std::string_view text)
{
    return std::find(texts.begin(), texts.end(), text) != texts.end();
}

} // namespace

std::string_view keyword_class(std::string_view text)
{
    const std::string padded = words_of(text);
    if (padded == " ")
        return {};
    const auto words = std::string_view{padded}.substr(1, padded.size() - 2);
    if (contains(stop_texts, words))
        return "stop";
    if (contains(help_texts, words))
        return "help";
    if (contains(start_texts, words))
        return "start";
    const bool fuzzy = std::any_of(stop_words.begin(), stop_words.end(), [&](const auto word) {
        return padded.find(word) != std::string::npos;
    });
    return fuzzy ? "stop_fuzzy" : "other";
}

} // namespace gateway
