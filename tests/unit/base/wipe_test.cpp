// A secret's bytes, seen in the memory that it still owns after it was wiped.
#include "gateway/base/wipe.hpp"

#include "gateway/attentive/verifier.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

namespace gateway {
namespace {

bool is_zero(const char* bytes, std::size_t count)
{
    return std::all_of(bytes, bytes + count, [](char b) { return b == '\0'; });
}

TEST(WipeTest, LeavesNoByteOfASecret)
{
    for (const std::string& secret : {std::string{"short"}, std::string(500, 'x')}) {
        std::string text = secret;
        text.reserve(600);
        text.resize(2); // the rest stays in the spare room

        wipe(text);

        EXPECT_TRUE(text.empty());
        EXPECT_TRUE(is_zero(text.data(), text.capacity()));
    }
}

TEST(WipeTest, ASigningKeyIsWipedWhenItDies)
{
    // Short enough to lie in the object itself, whose memory outlives it here.
    alignas(signing_key) char memory[sizeof(signing_key)] = {};
    auto* const key = new (memory) signing_key{"id", "0123456789abcde"};
    const auto* const secret = key->secret.data();
    ASSERT_TRUE(secret >= memory && secret < memory + sizeof memory);

    std::destroy_at(key);

    EXPECT_TRUE(is_zero(secret, 15));
}

} // namespace
} // namespace gateway
