#include "gateway/store/connection_string.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

namespace gateway {
namespace {

constexpr std::array<std::string_view, 6> whole_numbers = {
    "connect_timeout",     "keepalives",       "keepalives_idle",
    "keepalives_interval", "keepalives_count", "tcp_user_timeout"};

struct choice {
    std::string_view option;
    std::vector<std::string_view> words;
};

const std::vector<choice>& choices()
{
    static const std::vector<choice> all = {
        {"sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
        {"gssencmode", {"disable", "prefer", "require"}},
        {"channel_binding", {"disable", "prefer", "require"}},
        {"target_session_attrs",
         {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}},
    };
    return all;
}

bool is_whole_number(std::string_view text)
{
    int value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    return parsed.ec == std::errc{} && parsed.ptr == end;
}

// Several hosts have several ports; an empty one is the usual.
bool are_ports(std::string_view list)
{
    while (true) {
        const auto comma = std::min(list.find(','), list.size());
        const auto port = list.substr(0, comma);
        int value = 0;
        const auto parsed = std::from_chars(port.data(), port.data() + port.size(), value);
        const bool whole = parsed.ec == std::errc{} && parsed.ptr == port.data() + port.size();
        if (!port.empty() && (!whole || value < 1 || value > 65'535))
            return false;
        if (comma == list.size())
            return true;
        list.remove_prefix(comma + 1);
    }
}

std::string listed(const std::vector<std::string_view>& words)
{
    std::string out;
    for (const auto word : words)
        out += (out.empty() ? "" : ", ") + std::string{word};
    return out;
}

std::string value_fault(std::string_view option, std::string_view value)
{
    const auto refused = [&](const std::string& wanted) {
        return std::string{option} + " is \"" + std::string{value} + "\", and has to be " + wanted;
    };
    const bool number =
        std::find(whole_numbers.begin(), whole_numbers.end(), option) != whole_numbers.end();
    if (number && !is_whole_number(value))
        return refused("a whole number");
    if (option == "port" && !are_ports(value))
        return refused("a number from 1 to 65535");
    for (const auto& c : choices()) {
        if (c.option == option && !value.empty() &&
            std::find(c.words.begin(), c.words.end(), value) == c.words.end())
            return refused("one of " + listed(c.words));
    }
    return {};
}

// libpq quotes the string in most of its complaints, and a password may stand in it. In these two
// it quotes the name of an option.
std::string syntax_fault(std::string_view complaint)
{
    for (const std::string_view known :
         {"invalid URI query parameter: ", "invalid connection option "}) {
        if (complaint.substr(0, known.size()) != known)
            continue;
        const auto name = complaint.substr(known.size());
        return "libpq knows no option " + std::string{name.substr(0, name.find('\n'))};
    }
    return "not a valid connection string of libpq: a URI like postgresql://user@host/database, or "
           "keyword=value pairs";
}

struct parsed {
    explicit parsed(const std::string& url) : options{PQconninfoParse(url.c_str(), &complaint)} {}
    ~parsed()
    {
        PQconninfoFree(options);
        PQfreemem(complaint);
    }
    parsed(const parsed&) = delete;
    parsed& operator=(const parsed&) = delete;

    char* complaint = nullptr;
    PQconninfoOption* options;
};

} // namespace

std::string connection_string_fault(const std::string& url)
{
    const parsed given{url};
    if (given.options == nullptr)
        return syntax_fault(given.complaint == nullptr ? "" : given.complaint);
    for (const PQconninfoOption* o = given.options; o->keyword != nullptr; ++o) {
        if (o->val == nullptr)
            continue;
        if (auto fault = value_fault(o->keyword, o->val); !fault.empty())
            return fault;
    }
    return {};
}

} // namespace gateway
