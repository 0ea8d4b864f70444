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

TEST(UuidTest, ReadsWhatItWritesAndNothingElse)
{
    const uuid id = uuid_from_digest(sha256("abc"));

    EXPECT_EQ(uuid_from_text(to_string(id)), id);
    EXPECT_EQ(uuid_from_text("BA7816BF-8F01-8FEA-8141-40DE5DAE2223"), id);
    for (const char* text :
         {"", "ba7816bf8f018fea814140de5dae2223", "ba7816bf-8f01-8fea-8141-40de5dae222",
          "ba7816bf-8f01-8fea-8141-40de5dae222g", "ba7816bf-8f01-8fea-814140-de5dae2223",
          "ba7816bf-8f01-8fea-8141-40de5dae22233"})
        EXPECT_FALSE(uuid_from_text(text)) << text;
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
