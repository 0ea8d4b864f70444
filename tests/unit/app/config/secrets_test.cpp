// Secrets from each source, each way in which a source can fail, and that no message holds one.
#include "app/config/secrets.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace gateway {
namespace {

namespace fs = std::filesystem;

class SecretsTest : public testing::Test {
protected:
    void SetUp() override { fs::create_directory(directory_); }
    void TearDown() override
    {
        fs::remove_all(directory_);
        ::unsetenv("CREDENTIALS_DIRECTORY");
        ::unsetenv("GATEWAY_TEST_SECRET");
    }

    std::string file_with(const std::string& content) const
    {
        const fs::path file = directory_ / "secret";
        std::ofstream{file, std::ios::binary} << content;
        return file.string();
    }

    static std::string fault_of(const secret_source& source)
    {
        const auto secret = read_secret(source);
        if (secret)
            return "read " + secret.value();
        EXPECT_EQ(secret.error().code, errc::secret_invalid);
        return secret.error().detail;
    }

    fs::path directory_ =
        fs::temp_directory_path() / ("secrets-test-" + std::to_string(::getpid()));
};

TEST_F(SecretsTest, StripsOneNewlineAtTheEndOfAFile)
{
    EXPECT_EQ(read_secret({.file = file_with("hush")}).value(), "hush");
    EXPECT_EQ(read_secret({.file = file_with("hush\n")}).value(), "hush");
    EXPECT_EQ(read_secret({.file = file_with("hush\r\n")}).value(), "hush");
    EXPECT_EQ(read_secret({.file = file_with("hush\n\n")}).value(), "hush\n");
    EXPECT_EQ(read_secret({.file = file_with(" hush ")}).value(), " hush ");
}

TEST_F(SecretsTest, RefusesUnusableFiles)
{
    const std::string file = (directory_ / "secret").string();
    EXPECT_EQ(fault_of({.file = file}), "file " + file + ": No such file or directory");
    EXPECT_EQ(fault_of({.file = directory_.string()}),
              "file " + directory_.string() + ": is a directory");
    EXPECT_EQ(fault_of({.file = file_with("")}), "file " + file + " is empty");
    EXPECT_EQ(fault_of({.file = file_with("\n")}), "file " + file + " is empty");
    EXPECT_EQ(fault_of({.file = file_with(std::string(4097, 'x'))}),
              "file " + file + ": larger than 4KiB");
    EXPECT_EQ(fault_of({.file = file_with(std::string{"a\0b", 3})}),
              "file " + file + " holds a NUL byte: it is not text");
}

TEST_F(SecretsTest, SaysThatAFileMayNotBeRead)
{
    if (::geteuid() == 0)
        GTEST_SKIP() << "root may read everything";
    const std::string file = file_with("hush");
    fs::permissions(file, fs::perms::none);

    EXPECT_EQ(fault_of({.file = file}), "file " + file + ": Permission denied");
}

TEST_F(SecretsTest, ReadsACredentialOfSystemd)
{
    file_with("hush\n");
    ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);

    EXPECT_EQ(read_secret({.credential = "secret"}).value(), "hush");
}

TEST_F(SecretsTest, RefusesACredentialOutsideItsDirectory)
{
    file_with("hush\n");
    ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);

    EXPECT_NE(fault_of({.credential = "../" + directory_.filename().string() + "/secret"})
                  .find("is a path, not a name"),
              std::string::npos);
    EXPECT_NE(fault_of({.credential = ".."}).find("is a path, not a name"), std::string::npos);
}

TEST_F(SecretsTest, SaysWhatACredentialNeeds)
{
    EXPECT_NE(fault_of({.credential = "signing-key"}).find("LoadCredential=signing-key:"),
              std::string::npos);
}

TEST_F(SecretsTest, ReadsTheEnvironment)
{
    ::setenv("GATEWAY_TEST_SECRET", "hush", 1);

    EXPECT_EQ(read_secret({.environment = "GATEWAY_TEST_SECRET"}).value(), "hush");
}

TEST_F(SecretsTest, RefusesAnAbsentOrEmptyVariable)
{
    EXPECT_EQ(fault_of({.environment = "GATEWAY_TEST_SECRET"}),
              "environment variable GATEWAY_TEST_SECRET is not set");

    ::setenv("GATEWAY_TEST_SECRET", "", 1);

    EXPECT_EQ(fault_of({.environment = "GATEWAY_TEST_SECRET"}),
              "environment variable GATEWAY_TEST_SECRET is empty");
}

TEST_F(SecretsTest, ReadsTheKeysOfAnEndpoint)
{
    ::setenv("GATEWAY_TEST_SECRET", "0123456789abcdef", 1);

    const auto keys =
        read_signing_keys({"attentive", "/x", {{"new", {.environment = "GATEWAY_TEST_SECRET"}}}});

    ASSERT_TRUE(keys);
    EXPECT_EQ(keys.value()[0].id, "new");
    EXPECT_EQ(keys.value()[0].secret, "0123456789abcdef");
}

TEST_F(SecretsTest, RefusesAShortKeyWithoutShowingIt)
{
    ::setenv("GATEWAY_TEST_SECRET", "hushhushhushhus", 1);

    const auto keys =
        read_signing_keys({"attentive", "/x", {{"new", {.environment = "GATEWAY_TEST_SECRET"}}}});

    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code, errc::secret_invalid);
    EXPECT_EQ(keys.error().detail.find("hush"), std::string::npos);
    EXPECT_NE(keys.error().detail.find("signing key new: only 15 bytes"), std::string::npos)
        << keys.error().detail;
}

TEST_F(SecretsTest, LeavesOutWhatAnEditorPutsAroundAKey)
{
    const struct {
        const char* file;
        const char* left_out;
    } cases[] = {
        {"0123456789abcdef", ""},
        {"0123456789abcdef\n", ""},
        {"0123456789abcdef\r\n", ""},
        {"0123456789abcdef\n\n", "white space"},
        {" 0123456789abcdef \n", "white space"},
        {"\xef\xbb\xbf"
         "0123456789abcdef\n",
         "a byte order mark"},
        {"\"0123456789abcdef\"\n", "quotes"},
        {"\xef\xbb\xbf '0123456789abcdef' \n", "a byte order mark and white space and quotes"},
    };
    for (const auto& each : cases) {
        const auto key = read_signing_key({.file = file_with(each.file)});
        ASSERT_TRUE(key) << each.file << key.error().detail;
        EXPECT_EQ(key.value().key, "0123456789abcdef") << each.file;
        EXPECT_EQ(key.value().left_out, each.left_out) << each.file;
    }
}

TEST_F(SecretsTest, RefusesAKeyThatIsCertainlyNone)
{
    for (const char* file : {"01234567 89abcdef", "0123456789abcdef\n0123456789abcdef",
                             "0123456789abcd\xc3\xa4", "0123456789abcdef\t#key"}) {
        const auto key = read_signing_key({.file = file_with(file)});
        ASSERT_FALSE(key) << file;
        EXPECT_EQ(key.error().code, errc::secret_invalid);
        EXPECT_NE(key.error().detail.find(" is a blank or no ASCII"), std::string::npos);
        EXPECT_EQ(key.error().detail.find("0123"), std::string::npos) << key.error().detail;
    }
}

TEST_F(SecretsTest, NamesTheLineOfAKeyThatIsMissing)
{
    const auto keys = read_signing_keys(
        {"main", "/x", {{"new", {.file = "/nowhere/key", .at = "gateway.toml:9:30"}}}});

    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().detail.find(
                  "gateway.toml:9:30: endpoint main, signing key new: file /nowhere/key: "),
              0U)
        << keys.error().detail;
}

TEST_F(SecretsTest, PointsAtFilesThatOthersCanRead)
{
    config c;
    c.endpoints = {{"main", "/x", {{"new", {.file = file_with("0123456789abcdef")}}}}};
    const auto readers = [&](fs::perms mode) {
        fs::permissions(c.endpoints[0].signing_keys[0].secret.file, mode);
        const auto found = exposed_secrets(c);
        return found.empty() ? std::string{} : found[0].readers;
    };

    EXPECT_EQ(readers(fs::perms::owner_read), "");
    EXPECT_EQ(readers(fs::perms::owner_read | fs::perms::group_read), "its group");
    EXPECT_EQ(readers(fs::perms::owner_read | fs::perms::others_read), "everybody");
}

TEST_F(SecretsTest, PutsThePasswordIntoTheDatabaseUrl)
{
    ::setenv("GATEWAY_TEST_SECRET", "p'w\\d/ä", 1);
    config c;
    c.database.url = "postgresql://u@h/db";
    const std::string plain = database_url(c).value();
    c.database.password = secret_source{.environment = "GATEWAY_TEST_SECRET"};
    const std::string as_uri = database_url(c).value();
    c.database.url += "?sslmode=require";
    const std::string with_query = database_url(c).value();
    c.database.url = "host=h user=u";

    const std::string as_words = database_url(c).value();

    EXPECT_EQ(plain, "postgresql://u@h/db");
    EXPECT_EQ(as_uri, "postgresql://u@h/db?password=p%27w%5Cd%2F%C3%A4");
    EXPECT_EQ(with_query, "postgresql://u@h/db?sslmode=require&password=p%27w%5Cd%2F%C3%A4");
    EXPECT_EQ(as_words, "host=h user=u password='p\\'w\\\\d/ä'");
}

TEST_F(SecretsTest, ATokenOfTheAdminPortIsOneThatAnHttpFieldCanHold)
{
    config c;
    EXPECT_EQ(read_admin_token(c).value(), "");

    for (const char* refused :
         {"short", "with blanks 0123456789", "\xc3\xbcmlaut-0123456789", ""}) {
        c.admin.token = secret_source{.file = file_with(refused)};
        const auto token = read_admin_token(c);
        ASSERT_TRUE(token.has_error()) << refused;
        EXPECT_EQ(token.error().code, errc::secret_invalid);
        EXPECT_EQ(token.error().detail.find("admin.token: "), 0U) << token.error().detail;
        EXPECT_EQ(token.error().detail.find("0123456789"), std::string::npos);
    }
    c.admin.token = secret_source{.file = file_with("sesame-0123456789\n")};
    EXPECT_EQ(read_admin_token(c).value(), "sesame-0123456789");
}

} // namespace
} // namespace gateway
