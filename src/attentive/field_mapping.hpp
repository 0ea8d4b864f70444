// From the tree of a payload to the columns of a source event, field by field. One rule for all
// event types: a field goes where the tables of field_mapping.cpp say, in whatever event it
// stands; the first field with a value takes its column; whatever no column took is kept in
// `extra`, under its own path. Wrong shapes are collected, all of them.
#pragma once

#include "attentive/json_document.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/model/quarantine.hpp"
#include "gateway/model/source_event.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

// One payload on its way.
struct mapping {
    mapping(const json_document& d, const phone_rule& r)
        : document(d), phones(r), fates(d.size(), fate::kept_in_extra)
    {
    }

    enum class fate : std::uint8_t { kept_in_extra, taken, opened, refused };

    const json_document& document; // both outlive the mapping
    const phone_rule& phones;
    source_event event;
    std::vector<field_fault> faults;
    // By json_value::id. `opened`: an object whose members have fates; `refused`: an identifier
    // that identifies nobody, which an opt-out keeps in extra, so that who said stop can be found.
    std::vector<fate> fates;

    fate& fate_of(const json_value& value) { return fates[value.id]; }
    void add_flag(std::string_view flag) { event.quality_flags.emplace_back(flag); }
    void add_fault(std::initializer_list<std::string_view> path, const json_value& found,
                   std::string_view expected);
};

// Null, or a string without anything but blanks: the sender's ways to say "absent".
bool is_blank(const json_value& value);

// Whether `text` cannot be kept as it was sent: U+0000 has to go, and half of a surrogate pair has
// gone already. No such text is a key: two that differ would become one.
bool is_altered(const json_document& document, std::string_view text);

// `text` as PostgreSQL takes it: NUL removed (flag nul_removed), trimmed.
std::string clean_text(mapping& m, std::string_view text);

// Maps the sections company, subscriber, creative, subscription, message, message_link_click and
// user_property, `own_section` before the others. Flags "<section>_missing" for the subscriber
// and for `own_section`.
void map_sections(mapping& m, std::string_view own_section);

// What no column took, as a JSON object that jsonb stores unchanged: no NUL, and numbers beyond
// what numeric holds as strings. Empty when there is nothing.
std::string extra_of(mapping& m);

} // namespace gateway
