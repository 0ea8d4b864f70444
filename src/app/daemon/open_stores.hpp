// The stores that a configuration means: a server's URL or the private cluster, and the spool.
#pragma once

#include "app/config/config.hpp"
#include "gateway/attentive/normalizer.hpp"
#include "gateway/base/result.hpp"
#include "gateway/store/batch_settings.hpp"
#include "gateway/store/drain_by_hand.hpp"
#include "gateway/store/embedded_cluster.hpp"
#include "gateway/store/role.hpp"
#include "gateway/store/spool.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace gateway {

struct opened_database {
    std::optional<embedded_cluster> cluster; // stops with this object
    std::string url;                         // for libpq only: it can hold the password
};

// Reads the password or starts the embedded cluster, as `c` says. Connects to nothing. Fails with
// secret_invalid, process_failed or io_failed.
result<opened_database> open_database(const config& c);

// The same for a command beside the daemon: an embedded cluster that runs already is used as it is.
result<opened_database> open_database_beside(const config& c);

// Which database a command asks, and as whom: by `url` (of libpq) alone, or as the configuration
// says; without either, by default_config_file(). With both, the database of `url` and the rest of
// the configuration.
struct database_options {
    std::filesystem::path config;
    std::string url;
};

// What a command by hand works with.
struct configured {
    config settings;
    opened_database database;
};

// Reads the configuration, unless a url alone is given, sends warnings to standard error as text,
// and opens the database beside the daemon. Fails as load_config() and open_database_beside() do.
result<configured> connect_to_database(const database_options& options);

// The same, for commands that take the schema to be this binary's: schema_mismatch when it is not.
result<configured> connect_to_current_schema(const database_options& options,
                                             database_role needed = database_role::writer);

// How phone numbers without plus are taken.
phone_rule phone_rule_of(const subscribers_section& s);

// How events are written by whoever does it: with today's mapping, within the configured limits.
batch_settings batch_settings_of(const config& c, std::string database_url);

// How the daemon opens its spool; meaningless without a spool.directory.
spool_settings spool_settings_of(const config& c);

// Fails with io_failed, saying what to do, when `directory` is none that a gateway has spooled to:
// a mistyped one must not look like an empty one.
result<void> expect_spool(const std::filesystem::path& directory);

// Empties the configured spool into the database, and applies what is in its intake. Fails as
// drain() and expect_spool() do, and with spool_failed when a running gateway holds it: that drains
// by itself.
result<drain_report> drain_spool(const configured& at, std::function<void(std::uint64_t)> progress);

} // namespace gateway
