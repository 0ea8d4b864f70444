// The subcommands, each a function of its parsed options in a file of its own. They print for
// people, results on standard output and the rest on standard error, and return the exit code.
#pragma once

#include "app/console/exit_code.hpp"
#include "app/daemon/open_stores.hpp"
#include "gateway/base/time.hpp"
#include "gateway/store/quarantine.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gateway {

struct serve_options {
    std::filesystem::path config;
    bool migrate = false; // apply missing migrations first
};

struct migrate_options {
    database_options database;
};

struct check_config_options {
    std::filesystem::path config;
};

struct doctor_options {
    std::filesystem::path config;
};

struct demo_options {
    bool once = false;               // show the rows and stop
    std::filesystem::path directory; // of the demo's cluster, certificate and key
};

struct send_options {
    std::string url;
    std::filesystem::path key_file; // exactly one of the two
    std::string key_environment;
    std::string type = "all";
    std::filesystem::path body_file; // empty: samples
    std::uint64_t count = 0;         // 0: each sample, or the body, once
    double rate = 0;                 // requests per second; 0: no limit
    std::size_t connections = 1;
    bool unique = false;
    std::uint64_t seed = 1;
    std::filesystem::path ca_file; // empty: the system's authorities
    bool insecure = false;
    std::filesystem::path journal; // empty: none
};

struct spool_options { // at most one of the two; neither: default_config_file()
    std::filesystem::path config;
    std::filesystem::path directory;
};

struct spool_drain_options {
    std::filesystem::path config;
};

struct spool_export_options {
    spool_options from;
    std::filesystem::path to; // must not exist
};

struct quarantine_list_options {
    database_options database;
    quarantine_filter only;
    std::size_t limit = 50;
};

struct quarantine_show_options {
    database_options database;
    uuid id;
    bool body = false; // the kept bytes, and nothing else
};

struct quarantine_replay_options {
    database_options database;
    quarantine_filter only;
    bool dry_run = false;
};

struct webhook_access_options {
    std::filesystem::path token_file; // exactly one of the two
    std::string token_environment;
    std::string api_url;           // empty: Attentive's
    std::filesystem::path ca_file; // empty: the system's authorities
};

struct webhooks_change_options {
    webhook_access_options access;
    std::string which;               // URL; but for create also an id
    std::vector<std::string> events; // empty: those that the API documents, or as they are
    bool dry_run = false;
};

enum class report_format { table, csv, json };

struct report_options {
    database_options database;
    std::string name; // of a view of schema report; empty: list them
    std::vector<std::string>
        columns;         // in this order; empty: all, or what the terminal has room for
    std::string company; // company_id; empty: all
    std::optional<timestamp> since;
    std::optional<timestamp> until;
    std::size_t limit = 50;
    report_format format = report_format::table;
};

struct tail_options {
    database_options database;
    std::string company;            // company_id; empty: all
    std::string type;               // event_name or Attentive's type; empty: all
    std::size_t lines = 10;         // stored before, to begin with
    std::optional<timestamp> since; // in place of `lines`: all that was stored from then on
    bool as_json = false;
};

struct erase_options {
    database_options database;
    std::string company;
    std::string kind; // of the identifier: "phone", "email", "attentive_external_id"
    std::string value;
    bool dry_run = false;
};

struct retention_options {
    database_options database;
};

struct rebuild_options {
    database_options database;
    std::string model; // empty: all
};

struct identity_split_options {
    database_options database;
    std::string company;
    uuid subscriber;
    std::string kind = "*";
    bool undo = false;
};

struct explain_identity_options {
    database_options database;
    std::string company;
    uuid subscriber;
};

struct verify_options {
    std::filesystem::path key_file;
    std::string signature;
};

// Serves until SIGTERM or SIGINT.
int run_serve(const serve_options& options);

// Brings the database's schema up to date.
int run_migrate(const migrate_options& options);

// Says whether `serve` would accept the file, its secrets included.
int run_check_config(const check_config_options& options);

// Looks at all that a gateway stands on; exit_failed when something would lose or refuse events.
int run_doctor(const doctor_options& options);

// The whole way on this machine, with a database, a certificate and a key of its own.
int run_demo(const demo_options& options);

// Signs and posts samples, then says what came back. exit_failed on any non-2xx.
int run_send(const send_options& options);

// What waits in the spool. Reads all of it, changes nothing.
int run_spool_status(const spool_options& options);

// Checks every row of every file. exit_failed when one is not whole.
int run_spool_verify(const spool_options& options);

// Empties the spool into the database, for a gateway that does not run.
int run_spool_drain(const spool_drain_options& options);

// Writes what waits as files, and removes nothing.
int run_spool_export(const spool_export_options& options);

// What waits in quarantine, without bodies.
int run_quarantine_list(const quarantine_list_options& options);

// One row: why it is there, or its bytes.
int run_quarantine_show(const quarantine_show_options& options);

// Maps what waits once more and stores what now is an event.
int run_quarantine_replay(const quarantine_replay_options& options);

// The webhooks that Attentive has for this app.
int run_webhooks_list(const webhook_access_options& options);

// Changes one of them, or says what would change.
int run_webhooks_create(const webhooks_change_options& options);
int run_webhooks_update(const webhooks_change_options& options);
int run_webhooks_enable(const webhooks_change_options& options);
int run_webhooks_disable(const webhooks_change_options& options);
int run_webhooks_delete(const webhooks_change_options& options);

// Prints a report view, or which there are.
int run_report(const report_options& options);

// Prints what is stored, as it is stored, until SIGINT or until nobody reads.
int run_tail(const tail_options& options);

// Removes a person from everything that is stored.
int run_erase(const erase_options& options);

// Drops what is older than [retention] keeps it.
int run_retention(const retention_options& options);

// Makes read models again from the log, and says what was different.
int run_rebuild(const rebuild_options& options);

// Takes a subscriber out of its profile.
int run_identity_split(const identity_split_options& options);

// Why the subscribers of a profile are one. exit_failed when the subscriber is not known.
int run_explain_identity(const explain_identity_options& options);

// Reads a body from standard input and says whether the signature is the key's, or why not.
int run_verify(const verify_options& options);

// Reads a body from standard input and prints the canonical event, or what is wrong with it.
int run_explain();

// Why `signature` is not the one of `body` under `key`, as far as common mistakes explain it: one
// sentence each, none when there is no explanation. `key_file` is the key as its file has it.
std::string explain_mismatch(std::string_view key, std::string_view key_file,
                             std::string_view signature, std::string_view body);

} // namespace gateway
