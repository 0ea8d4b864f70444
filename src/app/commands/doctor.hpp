// What the parts of `doctor` share: what is said of each thing looked at, and who looks at what.
// `check-config` looks at the secrets likewise.
#pragma once

#include "app/config/config.hpp"

#include <optional>
#include <string>

namespace gateway {

// Who is told what was found.
class diagnosis {
public:
    enum class grade { good, doubtful, risky, bad };

    virtual ~diagnosis() = default;
    virtual void add(grade, const char* what, const std::string& state,
                     const std::string& remedy) = 0;

    void good(const char* what, const std::string& state) { add(grade::good, what, state, {}); }
    void doubtful(const char* what, const std::string& state, const std::string& remedy)
    {
        add(grade::doubtful, what, state, remedy);
    }
    // What loses events once something else fails: a host, say.
    void risky(const char* what, const std::string& state, const std::string& remedy)
    {
        add(grade::risky, what, state, remedy);
    }
    // What loses or refuses events.
    void bad(const char* what, const std::string& state, const std::string& remedy)
    {
        add(grade::bad, what, state, remedy);
    }
};

// What the admin port says of a gateway that runs; nothing when none answers there.
std::optional<std::string> running_gateway(const std::string& admin_address);

// Whether that answer says that events are taken.
bool says_ready(const std::optional<std::string>& running);

void examine_secrets(const config& c, diagnosis& found);
void examine_certificate(const config& c, diagnosis& found);
void examine_spool(const config& c, bool is_running, diagnosis& found);
void examine_database(const config& c, bool is_running, diagnosis& found);
void examine_ports(const config& c, const std::optional<std::string>& running, diagnosis& found);

} // namespace gateway
