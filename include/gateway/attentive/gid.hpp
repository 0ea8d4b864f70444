// Attentive's global ids: unpadded base64 of "<length>:<Type><number>", as in "MDc6TWVzc2FnZTE" =
// "07:Message1". Read only to join a message's sends with its clicks; nothing depends on an id
// being one. Source: the examples of the Attentive documentation, "Webhook payloads".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gateway {

// "07:Message1" of `id`, which may also be decoded already, padded or base64url; nullopt when it
// is anything else. The length is checked to be two digits, not to be true: one documented id
// lies about it.
std::optional<std::string> gid_decoded(std::string_view id);

// The id of `number` in the space of `type`: gid_encoded("Message", 1) = "MDc6TWVzc2FnZTE".
std::string gid_encoded(std::string_view type, std::uint64_t number);

// What events of one message have in common: "Message:1" for a global id of type Message, decoded
// or not, and for a bare number; empty for a global id of another type (EmailMessageSent names
// one send) and for a blank id; "raw:<id>" for everything else.
std::string message_key(std::string_view id);

} // namespace gateway
