// Overwriting by OpenSSL; see gateway/base/wipe.hpp.
#include "gateway/base/wipe.hpp"

#include <openssl/crypto.h>

namespace gateway {

void wipe(std::string& secret) noexcept
{
    secret.resize(secret.capacity()); // allocates nothing; a moved-from string may hold a short one
    OPENSSL_cleanse(secret.data(), secret.size());
    secret.clear();
}

} // namespace gateway
