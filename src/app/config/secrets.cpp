#include "app/config/secrets.hpp"

#include "app/config/read_file.hpp"
#include "gateway/base/encoding.hpp"

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include <sys/stat.h>
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

// What editors and shells leave around a key is certainly no part of it: Attentive's keys are
// printable ASCII. Returns what was taken away, in words.
std::string strip(std::string& key)
{
    constexpr std::string_view blanks = " \t\r\n\f\v";
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    std::string left_out;
    const auto note = [&left_out](const char* what) {
        if (left_out.find(what) == std::string::npos)
            left_out += (left_out.empty() ? "" : " and ") + std::string{what};
    };
    const auto trim = [&] {
        const std::size_t before = key.size();
        key.erase(0, std::min(key.find_first_not_of(blanks), key.size()));
        key.erase(key.find_last_not_of(blanks) + 1);
        if (key.size() != before)
            note("white space");
    };
    if (key.starts_with(byte_order_mark)) {
        key.erase(0, byte_order_mark.size());
        note("a byte order mark");
    }
    trim();
    if (key.size() >= 2 && (key.front() == '"' || key.front() == '\'') &&
        key.back() == key.front()) {
        key = key.substr(1, key.size() - 2);
        note("quotes");
        trim();
    }
    return left_out;
}

// "gateway.toml:12:40: ", or nothing.
std::string placed(const secret_source& source)
{
    return source.at.empty() ? std::string{} : source.at + ": ";
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
        return fail(errc::secret_invalid,
                    fmt::format("credential {0}: CREDENTIALS_DIRECTORY is not set; systemd sets it "
                                "for a unit with LoadCredential={0}:/path",
                                name));
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

result<bare_signing_key> read_signing_key(const secret_source& source)
{
    auto secret = read_secret(source);
    if (!secret)
        return secret.error();
    bare_signing_key out{std::move(secret).value(), {}};
    out.left_out = strip(out.key);
    const auto foreign = [](char b) { return b <= ' ' || b >= '\x7f'; };
    const auto at = std::find_if(out.key.begin(), out.key.end(), foreign);
    if (at != out.key.end())
        return fail(
            errc::secret_invalid,
            fmt::format("byte {} of {} is a blank or no ASCII, which no key of Attentive "
                        "has: copy the key alone, in one line, from Attentive's app settings",
                        at - out.key.begin() + 1, out.key.size()));
    return out;
}

result<std::vector<signing_key>> read_signing_keys(const endpoint_config& endpoint)
{
    std::vector<signing_key> keys;
    for (const signing_key_config& key : endpoint.signing_keys) {
        const std::string where =
            placed(key.secret) + "endpoint " + endpoint.name + ", signing key " + key.id + ": ";
        auto bare = read_signing_key(key.secret);
        if (!bare)
            return fail(errc::secret_invalid, where + bare.error().detail);
        if (bare.value().key.size() < signing_key_bytes_min) {
            return fail(errc::secret_invalid,
                        fmt::format("{}only {} bytes long, at least {} are needed; copy the whole "
                                    "key from Attentive's app settings",
                                    where, bare.value().key.size(), signing_key_bytes_min));
        }
        keys.push_back(signing_key{key.id, std::move(bare).value().key});
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
        return fail(errc::secret_invalid,
                    placed(*c.database.password) + "database.password: " + password.error().detail);
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
        return fail(errc::secret_invalid,
                    placed(*c.admin.token) + "admin.token: " + token.error().detail);
    const auto fits = [](char b) { return b > ' ' && b < '\x7f'; }; // of an HTTP field
    if (token.value().size() < admin_token_bytes_min ||
        !std::all_of(token.value().begin(), token.value().end(), fits))
        return fail(errc::secret_invalid,
                    fmt::format("{}admin.token: at least {} printable ASCII characters without "
                                "blanks are needed; make one: openssl rand -hex 16",
                                placed(*c.admin.token), admin_token_bytes_min));
    return token;
}

result<tls_context> load_certificate(const config& c)
{
    const auto& l = c.listener;
    auto loaded = load_tls_context(l.tls_certificate, l.tls_private_key);
    if (loaded)
        return loaded;
    const bool is_key = loaded.error().detail.starts_with(l.tls_private_key.string() + ":");
    const std::string& at = is_key ? l.tls_private_key_at : l.tls_certificate_at;
    return fail(loaded.error().code, (at.empty() ? "" : at + ": ") + "listener." +
                                         (is_key ? "tls_private_key: " : "tls_certificate: ") +
                                         loaded.error().detail);
}

std::vector<exposed_secret> exposed_secrets(const config& c)
{
    std::vector<exposed_secret> out;
    const auto look = [&out](const std::filesystem::path& file, std::string what) {
        struct stat status {};
        if (file.empty() || ::stat(file.c_str(), &status) != 0)
            return;
        if ((status.st_mode & S_IROTH) != 0)
            out.push_back({std::move(what), file, "everybody"});
        else if ((status.st_mode & S_IRGRP) != 0)
            out.push_back({std::move(what), file, "its group"});
    };
    for (const auto& endpoint : c.endpoints) {
        for (const auto& key : endpoint.signing_keys)
            look(key.secret.file, "endpoint " + endpoint.name + ", signing key " + key.id);
    }
    look(c.listener.tls_private_key, "listener.tls_private_key");
    if (c.database.password)
        look(c.database.password->file, "database.password");
    if (c.admin.token)
        look(c.admin.token->file, "admin.token");
    return out;
}

std::string exposed_text(const exposed_secret& secret)
{
    return secret.what + ": " + secret.readers + " can read " + secret.file.string() +
           "; chmod go-rwx " + secret.file.string();
}

} // namespace gateway
