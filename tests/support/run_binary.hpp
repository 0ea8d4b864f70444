// Runs the daemon's binary as a person at a shell would: arguments, standard input, and what came
// back.
#pragma once

#include <string>
#include <vector>

namespace gateway {

struct run_outcome {
    int exit_code = -1; // -1: ended by a signal
    std::string out;
    std::string err;
};

// Runs `binary` to its end, with `input` on standard input.
run_outcome run_binary(const std::string& binary, const std::vector<std::string>& arguments,
                       const std::string& input = {});

} // namespace gateway
