#include "app/daemon/open_stores.hpp"

#include "app/config/installation.hpp"
#include "app/config/secrets.hpp"
#include "app/console/log.hpp"
#include "gateway/store/applier.hpp"
#include "gateway/store/migrations.hpp"

namespace gateway {

result<opened_database> open_database(const config& c)
{
    opened_database opened;
    if (c.database.embedded.empty()) {
        BOOST_OUTCOME_TRY(opened.url, database_url(c));
        return opened;
    }
    BOOST_OUTCOME_TRY(auto cluster, embedded_cluster::start(c.database.embedded));
    opened.url = cluster.url();
    opened.cluster.emplace(std::move(cluster));
    return opened;
}

result<opened_database> open_database_beside(const config& c)
{
    if (!c.database.embedded.empty()) {
        if (auto url = embedded_cluster::url_if_running(c.database.embedded))
            return opened_database{std::nullopt, std::move(*url)};
    }
    return open_database(c);
}

result<configured> connect_to_database(const database_options& options)
{
    set_up_log("warn", "text");
    configured at;
    const bool by_url = !options.url.empty();
    if (!by_url || !options.config.empty()) {
        const auto file = options.config.empty() ? default_config_file() : options.config;
        BOOST_OUTCOME_TRY(at.settings, load_config(file));
    }
    if (by_url) {
        at.database.url = options.url;
        return at;
    }
    BOOST_OUTCOME_TRY(at.database, open_database_beside(at.settings));
    return at;
}

result<configured> connect_to_current_schema(const database_options& options, database_role needed)
{
    BOOST_OUTCOME_TRY(auto at, connect_to_database(options));
    BOOST_OUTCOME_TRY(check_schema(at.database.url, needed, true));
    return at;
}

phone_rule phone_rule_of(const subscribers_section& s)
{
    return {.north_america = s.phones_of_north_america,
            .not_of_companies = {s.phones_of_elsewhere.begin(), s.phones_of_elsewhere.end()}};
}

batch_settings batch_settings_of(const config& c, std::string database_url)
{
    return {.database_url = std::move(database_url),
            .map = normalizer_of(phone_rule_of(c.subscribers)),
            .batch_events_max = c.limits.batch_events_max,
            .batch_bytes_max = c.limits.batch_bytes_max,
            .batch_deadline = c.limits.batch_deadline,
            .accept_weak_durability = c.database.accept_weak_durability};
}

spool_settings spool_settings_of(const config& c)
{
    spool_settings s;
    s.directory = c.spool.directory;
    s.bytes_max = c.spool.bytes_max;
    s.any_file_system = c.spool.any_file_system;
    s.event_bytes_max = 2 * c.limits.body_bytes_max;
    return s;
}

result<void> expect_spool(const std::filesystem::path& directory)
{
    BOOST_OUTCOME_TRY(const bool used, is_spool(directory));
    if (used)
        return ok();
    std::error_code error;
    if (!std::filesystem::exists(directory, error))
        return fail(errc::io_failed,
                    directory.string() +
                        " does not exist: no gateway has spooled there yet, or "
                        "its spool is elsewhere (directory in [spool] says where)");
    return fail(errc::io_failed, directory.string() +
                                     " is no spool: neither a spool.lock nor a file of a spool is "
                                     "in it. No gateway has spooled there yet, or its spool is "
                                     "elsewhere (directory in [spool] says where)");
}

result<drain_report> drain_spool(const configured& at, std::function<void(std::uint64_t)> progress)
{
    const config& c = at.settings;
    BOOST_OUTCOME_TRY(expect_spool(c.spool.directory));
    BOOST_OUTCOME_TRY(const bool in_use, spool_in_use(c.spool.directory));
    if (in_use)
        return fail(errc::spool_failed,
                    "a running gateway uses " + c.spool.directory.string() +
                        " and drains it by itself, as soon as its database takes events; to "
                        "drain it by hand, stop that gateway first");
    BOOST_OUTCOME_TRY(auto from, spool::open(spool_settings_of(c)));
    const auto batches = batch_settings_of(c, at.database.url);
    BOOST_OUTCOME_TRY(const auto done, drain(from, {batches, std::move(progress)}));
    BOOST_OUTCOME_TRY(apply_waiting(batches.database_url, batches.map));
    return done;
}

} // namespace gateway
