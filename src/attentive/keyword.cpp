// Classes of inbound texts; see keyword.hpp.
#include "attentive/keyword.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <string>

namespace gateway {
namespace {

// As words_of() writes them. Sources: 47 CFR 64.1200(a)(10) and CTIA's Messaging Principles, 5.3;
// French, which Canada requires, after Twilio's lists ("arret", "arrete", "arrett") and that of AWS
// End User Messaging (with "td"); Spanish, Portuguese, German and Dutch as people write them.
constexpr std::array<std::string_view, 24> stop_texts = {
    "stop",   "quit",   "end",      "revoke",      "opt out",    "optout",
    "cancel", "td",     "stopall",  "unsubscribe", "stop all",   "remove",
    "arret",  "arrete", "arrett",   "arreter",     "desabonner", "alto",
    "parar",  "baja",   "cancelar", "stopp",       "abmelden",   "afmelden"};
constexpr std::array<std::string_view, 5> help_texts = {"help", "info", "aide", "ayuda", "hilfe"};
constexpr std::array<std::string_view, 6> start_texts = {"start", "unstop", "yes",
                                                         "y",     "join",   "subscribe"};
// Found as whole words, hence the blanks.
constexpr std::array<std::string_view, 13> stop_words = {
    " stop ",    " quit ",       " revoke ",    " unsubscribe ", " optout ",
    " opt out ", " stopall ",    " remove me ", " no mas ",      " arret ",
    " arreter ", " desabonner ", " stopp "};

// Folded to the letters that keyboards without accents have, with one blank before, between and
// behind the words: " arret svp "; " " for none.
std::string words_of(std::string_view text)
{
    UErrorCode failed = U_ZERO_ERROR;
    const auto* const fold = icu::Normalizer2::getNFKCCasefoldInstance(failed);
    const auto* const take_apart = icu::Normalizer2::getNFDInstance(failed);
    const auto given = icu::UnicodeString::fromUTF8({text.data(), static_cast<int>(text.size())});
    const auto letters = take_apart->normalize(fold->normalize(given, failed), failed);
    icu::UnicodeString out{u' '};
    for (int at = 0; at < letters.length(); at = letters.moveIndex32(at, 1)) {
        const UChar32 c = letters.char32At(at);
        if (u_isalnum(c))
            out.append(c);
        else if (u_charType(c) != U_NON_SPACING_MARK && out[out.length() - 1] != u' ')
            out.append(u' ');
    }
    if (out[out.length() - 1] != u' ')
        out.append(u' ');
    std::string utf8;
    return out.toUTF8String(utf8);
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
        return "other";
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
