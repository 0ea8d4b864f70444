// OpenSSL's objects as values that free themselves, and why its last call failed.
#pragma once

#include <openssl/err.h>

#include <memory>
#include <string>

namespace gateway {

template <class T, void (*release)(T*)>
struct releaser {
    void operator()(T* object) const { release(object); }
};

template <class T, void (*release)(T*)>
using owned = std::unique_ptr<T, releaser<T, release>>;

// The first error of this thread's queue, which is empty afterwards.
inline std::string reason_of_openssl()
{
    char text[256] = "no reason given";
    if (const unsigned long code = ERR_peek_error(); code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return text;
}

} // namespace gateway
