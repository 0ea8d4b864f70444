#include "gateway/app/secrets.hpp"

#include "gateway/app/read_file.hpp"
#include "gateway/base/encoding.hpp"

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include <algorithm>
#include <cstdlib>
#include <unistd.h>

namespace gateway {
namespace {

// A text editor ends the file with a newline, which is no part of the secret.
std::string without_newline(std::string text)
{
    if (!text.empty() && text.back() == '\n') {
        text.pop_back();
        if (!text.empty() && text.back() == '\r')
            text.pop_back();
    }
    return text;
}

result<std::string> checked(std::string secret, const std::string& where)
{
    if (secret.empty())
        return fail(errc::secret_invalid, where + " is empty");
    if (secret.size() > secret_bytes_max)
        return fail(errc::secret_invalid, where + " is larger than 4KiB: no secret is");
    if (secret.find('\0') != std::string::npos)
        return fail(errc::secret_invalid, where + " holds a NUL byte: it is not text");
    return secret;
}

result<std::string> from_file(const std::filesystem::path& file, const std::string& kind)
{
    auto text = read_file(file, secret_bytes_max);
    if (!text)
        return fail(errc::secret_invalid, kind + " " + text.error().detail);
    return checked(without_newline(std::move(text).value()), kind + " " + file.string());
}

// What the service's credential is made of, for a command by hand.
result<std::string> from_installed(const std::filesystem::path& file)
{
    auto secret = from_file(file, "credential");
    if (!secret && ::geteuid() != 0)
        return fail(errc::secret_invalid,
                    secret.error().detail + "; run this as root, who alone reads the service's");
    return secret;
}

result<std::string> from_credential(const secret_source& source)
{
    const std::string& name = source.credential;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (name.find('/') != std::string::npos || name == "." || name == "..")
        return fail(errc::secret_invalid, "credential \"" + name + "\" is a path, not a name");
    if (directory == nullptr || *directory == '\0') {
        if (!source.credential_file.empty())
            return from_installed(source.credential_file);
        return fail(errc::secret_invalid, "credential " + name +
                                              ": CREDENTIALS_DIRECTORY is not set; systemd sets it "
                                              "for a unit with LoadCredential=" +
                                              name + ":/path");
    }
    return from_file(std::filesystem::path{directory} / name, "credential");
}

result<std::string> from_environment(const std::string& variable)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char* const value = std::getenv(variable.c_str());
    if (value == nullptr)
        return fail(errc::secret_invalid, "environment variable " + variable + " is not set");
    return checked(value, "environment variable " + variable);
}

} // namespace

result<std::string> read_secret(const secret_source& source)
{
    if (!source.file.empty())
        return from_file(source.file, "file");
    if (!source.credential.empty())
        return from_credential(source);
    if (!source.environment.empty())
        return from_environment(source.environment);
    return fail(errc::secret_invalid, "no source: set file, credential or environment");
}

result<std::vector<signing_key>> read_signing_keys(const endpoint_config& endpoint)
{
    std::vector<signing_key> keys;
    for (const signing_key_config& key : endpoint.signing_keys) {
        const std::string where = "endpoint " + endpoint.name + ", signing key " + key.id + ": ";
        auto secret = read_secret(key.secret);
        if (!secret)
            return fail(errc::secret_invalid, where + secret.error().detail);
        if (secret.value().size() < signing_key_bytes_min) {
            return fail(errc::secret_invalid,
                        where + "only " + std::to_string(secret.value().size()) +
                            " bytes long, at least " + std::to_string(signing_key_bytes_min) +
                            " are needed; copy the whole key from Attentive's app settings");
        }
        keys.push_back(signing_key{key.id, std::move(secret).value()});
    }
    return keys;
}

result<std::string> database_url(const config& c)
{
    const std::string& url = c.database.url;
    if (!c.database.password)
        return url;
    auto password = read_secret(*c.database.password);
    if (!password)
        return fail(errc::secret_invalid, "database.password: " + password.error().detail);
    if (url.find("://") == std::string::npos)
        return url + " password=" + single_quoted(password.value());
    const char joint = url.find('?') == std::string::npos ? '?' : '&';
    return url + joint +
           "password=" + boost::urls::encode(password.value(), boost::urls::unreserved_chars);
}

result<std::string> read_admin_token(const config& c)
{
    if (!c.admin.token)
        return std::string{};
    auto token = read_secret(*c.admin.token);
    if (!token)
        return fail(errc::secret_invalid, "admin.token: " + token.error().detail);
    const auto fits = [](char b) { return b > ' ' && b < '\x7f'; }; // of an HTTP field
    if (token.value().size() < admin_token_bytes_min ||
        !std::all_of(token.value().begin(), token.value().end(), fits))
        return fail(errc::secret_invalid,
                    "admin.token: at least " + std::to_string(admin_token_bytes_min) +
                        " printable ASCII characters without blanks are needed; make one: "
                        "openssl rand -hex 16");
    return token;
}

} // namespace gateway
