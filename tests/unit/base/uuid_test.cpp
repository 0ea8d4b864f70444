// Name-based identifiers: layout of version 8, and the order that key sorting relies on.
#include "gateway/base/uuid.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(UuidTest, KeepsTheDigestButForVersionAndVariant)
{
    const uuid id = uuid_from_digest(sha256("abc"));

    EXPECT_EQ(to_string(id), "ba7816bf-8f01-8fea-8141-40de5dae2223");
}

TEST(UuidTest, OrdersByBytesAsPostgresqlDoes)
{
    uuid low;
    uuid high;
    low.bytes[0] = 0x7f;
    high.bytes[0] = 0x80;

    EXPECT_LT(low, high);
}

} // namespace
} // namespace gateway
