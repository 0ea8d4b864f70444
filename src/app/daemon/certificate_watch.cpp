#include "app/daemon/certificate_watch.hpp"

#include <fmt/format.h>

#include <sys/stat.h>

namespace gateway {
namespace {

// Whatever replaces a file gives it another inode or another time.
std::string stamp_of(const std::filesystem::path& file)
{
    struct stat s {};
    if (::stat(file.c_str(), &s) != 0)
        return "absent";
    return fmt::format("{}:{}:{}:{}.{}", s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec,
                       s.st_mtim.tv_nsec);
}

} // namespace

certificate_watch::certificate_watch(const config& c)
    : certificate_(c.listener.tls_certificate), private_key_(c.listener.tls_private_key),
      taken_(stamp())
{
}

std::string certificate_watch::stamp() const
{
    if (certificate_.empty())
        return {};
    return stamp_of(certificate_) + " " + stamp_of(private_key_);
}

bool certificate_watch::changed()
{
    seen_ = stamp();
    return seen_ != taken_;
}

void certificate_watch::taken()
{
    taken_ = seen_;
    failed_.clear();
    failures_ = 0;
}

bool certificate_watch::worth_telling()
{
    failures_ = seen_ == failed_ ? failures_ + 1 : 1;
    failed_ = seen_;
    return failures_ == 2;
}

} // namespace gateway
