// Where an installed gateway has its configuration and its credentials, so that a command typed by
// hand finds both without an option, and sees what the next start of the service will see.
#pragma once

#include "app/config/config.hpp"

#include <filesystem>

namespace gateway {

// The value of ATTENTIVE_GATEWAY_CONFIG, else /etc/attentive-gateway/gateway.toml.
std::filesystem::path default_config_file();

// Outside the service, where systemd set no CREDENTIALS_DIRECTORY: says in `c` which files the
// unit's LoadCredential= makes its credentials of. Those stand in the directory "credentials"
// beside `file`, without the "gateway_" before their names. Certificate and private key are
// replaced where they are named as the service's credentials. Reads no secret.
void find_credentials(config& c, const std::filesystem::path& file);

} // namespace gateway
