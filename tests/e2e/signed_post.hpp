// A request as Attentive makes it, with a signature from the openssl tool and sent by curl, so that
// no code of ours vouches for itself.
#pragma once

#include "support/gateway_process.hpp"

#include <gtest/gtest.h>

namespace gateway::test {

inline const std::string key = gateway_options{}.signing_key;

inline std::string openssl_signature(const std::string& body)
{
    const auto signing =
        run({"openssl", "dgst", "-sha256", "-hmac", key, "-r"}, {.input = body, .environment = {}});
    return signing.output.substr(0, 64);
}

struct answer {
    std::string status;
    std::string body;
};

// `signature` empty: no header at all.
inline answer post(const gateway_process& gateway, const std::string& body,
                   const std::string& signature)
{
    std::vector<std::string> arguments = {"curl",
                                          "-sS",
                                          "--cacert",
                                          gateway.certificate().string(),
                                          "-X",
                                          "POST",
                                          "-H",
                                          "Content-Type: application/json",
                                          "--data-binary",
                                          "@-",
                                          "-w",
                                          "\n%{http_code}",
                                          gateway.url()};
    if (!signature.empty()) {
        arguments.emplace_back("-H");
        arguments.emplace_back("x-attentive-hmac-sha256: " + signature);
    }
    const auto done = run(arguments, {.input = body, .environment = {}});
    const auto newline = done.output.rfind('\n');
    EXPECT_EQ(done.exit_code, 0) << done.errors;
    return answer{done.output.substr(newline + 1), done.output.substr(0, newline)};
}

inline answer post_signed(const gateway_process& gateway, const std::string& body)
{
    return post(gateway, body, openssl_signature(body));
}

} // namespace gateway::test
