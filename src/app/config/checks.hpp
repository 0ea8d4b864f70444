// Which texts the configuration takes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gateway {

struct text_form {
    std::optional<std::string> (*check)(const std::string&); // what is wrong with one, or nothing
    std::string_view allowed;                                // in words
};

extern const text_form company_id_form; // of a list's elements
extern const text_form address_form;
extern const text_form network_form; // of a list's elements
// Without a password, which would be a secret in the file; never quotes it.
extern const text_form database_url_form;
extern const text_form name_form; // of endpoints and signing keys
extern const text_form endpoint_path_form;

bool is_loopback(const std::string& address);
// Whether both cannot be listened on at once. Never for port 0, which is another one each time.
bool same_port(const std::string& address, const std::string& other);

} // namespace gateway
