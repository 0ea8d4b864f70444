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

TEST(KeywordTest, HasNoClassForNoWords)
{
    expect_class("", {"", "   ", "?!", "👍", "…"});
}

} // namespace
} // namespace gateway
