// Classes of replies.
#include "attentive/keyword.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

void expect_class(std::string_view expected, std::initializer_list<const char*> texts)
{
    for (const auto* text : texts)
        EXPECT_EQ(keyword_class(text), expected) << text;
}

TEST(KeywordTest, KnowsTheStopWordsInAnyDress)
{
    expect_class("stop", {"STOP", "stop.", " Stop! ", "“STOP”", "stop 🛑", "opt-out", "OPT OUT",
                          "optout", "quit", "end", "revoke", "cancel", "unsubscribe", "StopAll",
                          "stop all", "remove", "¡stop!", "*stop*", "stop\n"});
}

TEST(KeywordTest, KnowsStopAmongOtherWords)
{
    expect_class("stop_fuzzy", {"please stop", "stop texting me", "remove me from this", "no mas!",
                                "I want to opt out now", "unsubscribe me"});
}

TEST(KeywordTest, KnowsHelpAndStart)
{
    expect_class("help", {"HELP", "info?"});
    expect_class("start", {"Start", "UNSTOP", "yes!", "Y", "join", "subscribe"});
}

TEST(KeywordTest, TakesWholeWordsOnly)
{
    expect_class("other", {"stopper", "nonstop fun", "stopé", "helpful", "yesterday",
                           "the end is near", "Hello Friends!", "cancel my order"});
}

// Canada: AWS End User Messaging "Required opt-out keywords" and "French compliance keywords", and
// Twilio's Proxy "Opt-out keywords".
TEST(KeywordTest, KnowsTheWordsThatCanadaRequires)
{
    expect_class("stop",
                 {"ARRET", "ARRÊT", "arrêt.", "Arrete", "ARRÊTÉ", "ARRETT", "TD", "arre\u0302t"});
    expect_class("help", {"AIDE", "Aide!", "INFO"});
    expect_class("stop_fuzzy", {"Arrêt svp", "arrêter les messages"});
}

TEST(KeywordTest, KnowsWhatPeopleWriteElsewhere)
{
    expect_class("stop", {"ALTO", "Parar", "BAJA", "STOPP", "ＳＴＯＰ"});
    expect_class("help", {"Ayuda", "HILFE"});
    expect_class("other", {"La talla es baja", "İstop", "止めて"});
}

TEST(KeywordTest, IsOtherWhereNothingIsSaid)
{
    expect_class("other", {"", "   ", "?!", "👍", "…", "\xFF\xFE"});
}

} // namespace
} // namespace gateway
