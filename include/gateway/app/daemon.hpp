// The composition root: builds every layer from a configuration, runs them until a signal or
// stop(), and takes them down in the order that loses nothing: no longer ready, no longer
// accepting, requests answered, batches committed.
#pragma once

#include "gateway/app/config.hpp"
#include "gateway/base/result.hpp"

#include <memory>
#include <string>

namespace gateway {

struct daemon_addresses {
    std::string listener; // "0.0.0.0:8443", with the port that was really bound
    std::string admin;
    std::string database_url;
};

class daemon {
public:
    // Starts the embedded cluster if one is configured, brings or checks the schema, opens the
    // ports. `migrate_first` applies missing migrations; an embedded cluster is ours alone and
    // always gets them. A database that is out of reach is not an error: the writer goes on
    // trying. Fails with config_invalid, secret_invalid, schema_mismatch, network_failed,
    // process_failed or io_failed.
    static result<std::unique_ptr<daemon>> start(const config& c, bool migrate_first);
    ~daemon();
    daemon(const daemon&) = delete;
    daemon& operator=(const daemon&) = delete;

    const daemon_addresses& addresses() const;

    // Serves in this thread until SIGTERM, SIGINT or stop(), then drains. A second signal cuts
    // the waiting short.
    void run();

    // Begins the drain, once. Any thread.
    void stop();

private:
    struct implementation;
    explicit daemon(std::unique_ptr<implementation> i);
    std::unique_ptr<implementation> implementation_;
};

} // namespace gateway
