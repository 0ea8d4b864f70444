// The words of the reference: what an event of the story is called, and values as the reports write
// them.
#pragma once

#include "gateway/base/uuid.hpp"
#include "gateway/demo/story.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gateway::test::words {

using kind = story_kind;

inline const std::string null = "NULL";
inline constexpr const char* reply_classes[] = {"stop",  "stop_fuzzy", "help",
                                                "other", "other",      "start"};

std::int64_t millis(timestamp t);
std::string text(std::int64_t n);
std::string date(timestamp t);
std::string fixed(double value, int decimals);
std::string money(std::int64_t cents);
std::string plain(std::int64_t cents);
uuid subscriber_of(const story_event& e);
bool is_click(const story_event& e);
bool is_sms(const story_event& e);
bool grants(const story_event& e);
bool decides(const story_event& e); // an opt-in or opt-out
bool gives_phone(const story_event& e);
bool gives_email(const story_event& e);
bool gives_external_id(const story_event& e);
// Of a decision: UNSPECIFIED when it names none.
std::string named_type(const story_event& e);
// Whether a decision is one on a type: an opt-out without type ends them all, and one of MARKETING
// what was given without a type, for in doubt nobody is written to.
bool concerns(const story_event& e, const std::string& type);
std::string channel(const story_event& e);
std::string name_of(const story_event& e);
std::string message_key(const story_event& e);
std::string campaign(const story_event& e);
bool asks_to_stop(const story_event& e);
// A sentence of the timeline.
std::string sentence(const story_event& e);
// percentile_cont: between the two values around the place, in proportion.
double percentile(const std::vector<double>& sorted, double fraction);

} // namespace gateway::test::words
