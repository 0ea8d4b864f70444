// What the parts of `doctor` share: a line for each thing looked at, and who looks at what.
#pragma once

#include "app/config/config.hpp"

#include <optional>
#include <string>

namespace gateway {

// Prints as it goes: a check that hangs shows which one it is.
class diagnosis {
public:
    void good(const char* what, const std::string& state) { print("ok", what, state, {}); }
    void doubtful(const char* what, const std::string& state, const std::string& remedy)
    {
        print("warn", what, state, remedy);
        ++warnings_;
    }
    // What loses or refuses events.
    void bad(const char* what, const std::string& state, const std::string& remedy)
    {
        print("FAIL", what, state, remedy);
        ++faults_;
    }

    // Prints the last line; the exit code.
    int conclude() const;

private:
    static void print(const char* mark, const char* what, const std::string& state,
                      const std::string& remedy);

    int faults_ = 0;
    int warnings_ = 0;
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
