#include "app/config/installation.hpp"

#include <cstdlib>
#include <string_view>

namespace gateway {
namespace {

constexpr const char* installed_config = "/etc/attentive-gateway/gateway.toml";
constexpr std::string_view given_to_service = "/run/credentials/attentive-gateway.service/";
constexpr std::string_view credential_prefix = "gateway_"; // of LoadCredential= in the unit

// What the credential `name` is made of; empty when it is none of the unit's.
std::filesystem::path source_of(std::string_view name, const std::filesystem::path& directory)
{
    if (!name.starts_with(credential_prefix))
        return {};
    return directory / name.substr(credential_prefix.size());
}

} // namespace

std::filesystem::path default_config_file()
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char* const named = std::getenv("ATTENTIVE_GATEWAY_CONFIG");
    return named != nullptr && *named != '\0' ? named : installed_config;
}

void find_credentials(config& c, const std::filesystem::path& file)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    if (const char* const given = std::getenv("CREDENTIALS_DIRECTORY"); given && *given != '\0')
        return;
    const auto directory = file.parent_path() / "credentials";
    const auto find = [&directory](secret_source& source) {
        source.credential_file = source_of(source.credential, directory).string();
    };
    for (auto& endpoint : c.endpoints) {
        for (auto& key : endpoint.signing_keys)
            find(key.secret);
    }
    if (c.database.password)
        find(*c.database.password);
    if (c.admin.token)
        find(*c.admin.token);
    for (auto* const path : {&c.listener.tls_certificate, &c.listener.tls_private_key}) {
        const std::string text = path->string();
        if (text.starts_with(given_to_service)) {
            const auto source = source_of(text.substr(given_to_service.size()), directory);
            if (!source.empty())
                *path = source;
        }
    }
}

} // namespace gateway
