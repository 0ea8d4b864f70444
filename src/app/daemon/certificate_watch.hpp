// Notices that the certificate or its key were replaced on the disk.
#pragma once

#include "app/config/config.hpp"

#include <string>

namespace gateway {

class certificate_watch {
public:
    // What stands there now is known.
    explicit certificate_watch(const config& c = {});

    // Whether the files are others than those that were last taken.
    bool changed();
    // What changed() has seen is in use from now on; what was replaced since is a change again.
    void taken();
    // True once for each state of the files, and not before it was seen twice: between the
    // renewal's two renames the pair does not fit, and that is nothing to tell.
    bool worth_telling();

private:
    std::string stamp() const;

    std::filesystem::path certificate_;
    std::filesystem::path private_key_;
    std::string taken_;
    std::string seen_;
    std::string failed_;
    unsigned failures_ = 0;
};

} // namespace gateway
