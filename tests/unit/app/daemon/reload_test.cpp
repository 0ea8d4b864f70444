// What a reload leaves for the next restart, and when a certificate on the disk is a new one.
#include "app/daemon/generation.hpp"

#include "support/process.hpp"

#include <gtest/gtest.h>

namespace gateway {
namespace {

TEST(ReloadTest, NamesWhatWaitsForARestartAndOnlyThat)
{
    config running;
    config next;
    next.listener.tls_certificate = "/new";
    next.listener.trusted_proxies = {"10.0.0.0/8"};
    next.log.level = "debug";
    next.limits.body_bytes_max = 1;
    next.limits.drain_delay = std::chrono::milliseconds{1};
    EXPECT_TRUE(left_for_restart(running, next).empty());

    next.listener.address = "0.0.0.0:1";
    next.database.writers = 7;
    next.limits.inbox_events_max = 1;
    next.spool.directory = "/spool";
    next.admin.address = "127.0.0.1:1";
    next.database.password = secret_source{.file = "/password"};
    next.admin.token = secret_source{.file = "/token"};

    EXPECT_EQ(left_for_restart(running, next),
              (std::vector<std::string>{"listener.address", "database.writers", "spool.directory",
                                        "admin.address", "limits.inbox_events_max",
                                        "database.password", "admin.token"}));
}

class CertificateWatchTest : public testing::Test {
protected:
    CertificateWatchTest()
    {
        c_.listener.tls_certificate = directory_ / "c";
        c_.listener.tls_private_key = directory_ / "k";
        test::write_file(directory_ / "c", "1");
        test::write_file(directory_ / "k", "1");
    }

    void replace(const std::string& name)
    {
        test::write_file(directory_ / "new", "1");
        std::filesystem::rename(directory_ / "new", directory_ / name);
    }

    test::temporary_directory directory_;
    config c_;
};

TEST_F(CertificateWatchTest, SeesAReplacementOfTheSameSizeOnce)
{
    certificate_watch watch{c_};
    const bool before = watch.changed();

    replace("c");
    const bool replaced = watch.changed();
    watch.taken();
    const bool after = watch.changed();
    replace("k");

    EXPECT_FALSE(before);
    EXPECT_TRUE(replaced);
    EXPECT_FALSE(after);
    EXPECT_TRUE(watch.changed());
}

TEST_F(CertificateWatchTest, SeesWhatIsReplacedWhileTheLastOneIsLoaded)
{
    certificate_watch watch{c_};
    replace("c");
    watch.changed();

    replace("c"); // while the first is loaded
    watch.taken();

    EXPECT_TRUE(watch.changed());
}

TEST_F(CertificateWatchTest, TellsOfAPairThatStaysWrongOnce)
{
    certificate_watch watch{c_};
    const auto fails = [&watch] { return watch.changed() && watch.worth_telling(); };
    replace("c");

    const bool at_once = fails();
    const bool later = fails();
    const bool again = fails();
    replace("c");
    const bool first_of_next = fails();

    EXPECT_FALSE(at_once);
    EXPECT_TRUE(later);
    EXPECT_FALSE(again);
    EXPECT_FALSE(first_of_next);
    EXPECT_TRUE(fails());
}

TEST(PlainHttpWatchTest, HasNothingToSee)
{
    certificate_watch watch{config{}};

    EXPECT_FALSE(watch.changed());
}

} // namespace
} // namespace gateway
