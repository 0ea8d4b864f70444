// A small immutable tree of one JSON text, for payloads of strangers: numbers keep their raw
// token, because ids exceed every C++ number; depth and values are capped while reading, because
// nlohmann's own tree recurses without end; members are sorted once, which makes look-up, the
// canonical form and the verdict on duplicate members cheap.
#pragma once

#include "gateway/model/quarantine.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gateway {

inline constexpr std::size_t json_depth_max = 64;      // containers within each other
inline constexpr std::size_t json_values_max = 10'000; // members and elements in all

enum class json_kind { null, boolean, number, string, array, object };

// "null", "boolean", "number", "string", "array", "object"
std::string_view name(json_kind kind);

// One value of a document, which owns what it points to.
class json_value {
public:
    json_kind kind = json_kind::null;
    std::string_view key;  // of a member, decoded; empty for elements and the root
    std::string_view text; // a string decoded, a number's raw token, "true" or "false"
    std::uint32_t id = 0;  // position in the document: the root is 0, each value once

    bool is_container() const { return kind == json_kind::array || kind == json_kind::object; }

    // Elements in order; members sorted by the bytes of their keys, each key once.
    std::span<const json_value> children() const { return {first_, count_}; }

    // The member `wanted`, or null.
    const json_value* find(std::string_view wanted) const;

private:
    friend class json_builder;
    const json_value* first_ = nullptr;
    std::uint32_t count_ = 0;
};

// Moving keeps every value's address but the root's.
class json_document {
public:
    json_document(json_document&&) noexcept = default;
    json_document& operator=(json_document&&) noexcept = default;

    const json_value& root() const { return root_; }
    std::size_t size() const { return size_; } // ids are below it
    // Whether a key stood twice in one object. The last one counts.
    bool has_duplicate_member() const { return has_duplicate_member_; }
    // The halves of surrogate pairs that stood alone, in order: "d800". UTF-8 has no form for them:
    // in the texts there is U+FFFD instead. Empty as a rule.
    const std::string& lone_surrogates() const { return lone_surrogates_; }

private:
    friend class json_builder;
    json_document() = default;

    json_value root_;
    std::vector<json_value> values_; // all but the root; reserved in full: addresses hold
    std::vector<char> text_;         // decoded strings and numbers; reserved in full likewise
    std::size_t size_ = 0;
    bool has_duplicate_member_ = false;
    std::string lone_surrogates_;
};

// The document, or why there is none: malformed_json (not one JSON value in UTF-8; a byte order
// mark, a NUL byte, or a number beyond double's range) or json_limits. Never throws, any bytes.
// Source: RFC 8259, with the freedom of its sections 8.1 (no byte order mark), 8.2 (what a lone
// surrogate becomes) and 9 (limits).
std::variant<json_document, quarantined> parse_json(std::string_view bytes);

// Appends `value` with keys sorted by bytes, no white space, raw number tokens: equal content has
// equal bytes, whatever the order of members, white space and escapes were.
void append_canonical(std::string& out, const json_value& value);

} // namespace gateway
