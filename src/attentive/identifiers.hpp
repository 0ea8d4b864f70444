// Which values identify a subscriber, and in which one form. What is blank, a placeholder or not
// of its kind's syntax never identifies: one "null" shared by thousands would merge them all.
#pragma once

#include "gateway/base/uuid.hpp"
#include "gateway/model/source_event.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace gateway {

inline constexpr std::size_t identifier_bytes_max = 200; // an index entry has to hold it

// Without blanks, no-break spaces, brackets, dots and dashes.
std::string without_punctuation(std::string_view text);

// E.164 with its plus, without blanks, no-break spaces, brackets, dots and dashes: "+12065550100".
// nullopt when 7 to 15 digits behind "+" do not remain. Source: ITU-T E.164.
std::optional<std::string> normal_phone(std::string_view text);

// A number of the North American Numbering Plan without plus, with or without its 1, which what
// stands between digits leaves alone: "(206) 555-0100" is "+12065550100". nullopt when it is none.
// Source: NANPA, "About the NANP": NXX-NXX-XXXX, N of 2 to 9, neither NXX being N11.
std::optional<std::string> north_american_phone(std::string_view text);

// Trimmed, ASCII letters in lower case. nullopt unless it reads a@b.c without blanks, within 254
// bytes (RFC 5321, section 4.5.3.1.3). "[email protected]" is none.
std::optional<std::string> normal_email(std::string_view text);

// Trimmed. nullopt when it is longer than identifier_bytes_max or a placeholder: only zeros and
// dashes, null, none, undefined, anonymous, n/a or -1 in any case.
std::optional<std::string> normal_identifier(std::string_view text);

// From the company and the strongest identifier: attentive_external_id, else phone, email,
// client_user_id, shopify_id, klaviyo_id, else the first custom kind; of several values the
// smallest. nullopt when there is none.
std::optional<uuid> derive_subscriber_id(std::string_view company_id,
                                         const identifier_map& identifiers);

} // namespace gateway
