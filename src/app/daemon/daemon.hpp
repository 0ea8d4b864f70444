// The composition root: builds every layer from a configuration, runs them until a signal or
// stop(), exchanges at SIGHUP what can be exchanged, and takes all down in the order that loses
// nothing: no longer ready, no longer accepting, requests answered, batches committed.
#pragma once

#include "app/config/config.hpp"
#include "gateway/base/result.hpp"

#include <functional>
#include <memory>
#include <string>

namespace gateway {

struct daemon_addresses {
    std::string listener; // "0.0.0.0:8443", with the port that was really bound
    std::string admin;
    std::string database_url;
};

// Reads the configuration once more; fails as load_config() does.
using reread_function = std::function<result<config>()>;

class daemon {
public:
    // Starts the embedded cluster if one is configured, opens spool and ports, and connects to the
    // database. `migrate_first` applies missing migrations, on and on until it can; an embedded
    // cluster is ours alone and always gets them. No database is an error here, away, refusing us,
    // or with another schema: the writer goes on trying, and the spool bridges what it can. A
    // socket that systemd hands over is listened on in place of listener.address. With `reread`,
    // SIGHUP takes up the new configuration, or keeps the old one whole and says why. Certificates
    // that are replaced on the disk are taken up either way. Fails with config_invalid,
    // secret_invalid, network_failed, process_failed, io_failed or spool_failed.
    static result<std::unique_ptr<daemon>> start(const config& c, bool migrate_first,
                                                 reread_function reread = {});
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
