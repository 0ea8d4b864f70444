#include "store/cluster/cluster_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace gateway {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view socket_name = "/.s.PGSQL.5432";
constexpr std::string_view install_hint = "install PostgreSQL: apt-get install postgresql";

bool runs(const fs::path& program)
{
    std::error_code ignored;
    return fs::is_regular_file(program, ignored) && ::access(program.c_str(), X_OK) == 0;
}

error system_failure(const std::string& what)
{
    return fail(errc::io_failed, what + ": " + std::strerror(errno));
}

} // namespace

file_descriptor::~file_descriptor()
{
    if (fd_ >= 0)
        ::close(fd_);
}

std::string first_word(const fs::path& file)
{
    std::ifstream in{file};
    std::string word;
    in >> word;
    return word;
}

result<fs::path> usable_path(const fs::path& directory)
{
    std::error_code fault;
    fs::path path = fs::absolute(directory, fault).lexically_normal();
    if (!path.has_filename())
        path = path.parent_path();
    const std::string text = path.string();
    const std::size_t longest = sizeof(sockaddr_un::sun_path) - 1 - socket_name.size();
    if (fault || text.empty())
        return fail(errc::io_failed, "the cluster's directory is not a path");
    if (text.size() > longest)
        return fail(errc::io_failed,
                    text + " is too long for a unix socket: " + std::to_string(text.size()) +
                        " bytes of at most " + std::to_string(longest) + "; choose a shorter one");
    const auto awkward = [](char c) {
        return c == ',' || c == '"' || c == '\'' || static_cast<unsigned char>(c) < 0x20;
    };
    if (std::any_of(text.begin(), text.end(), awkward))
        return fail(errc::io_failed, text + ": commas, quotes and control characters do not work "
                                            "in a socket's path; choose another");
    return path;
}

result<fs::path> find_binaries(const fs::path& data)
{
    const std::string wanted = first_word(data / "PG_VERSION");
    const fs::path installed = "/usr/lib/postgresql";
    if (!wanted.empty()) {
        const fs::path of_version = installed / wanted / "bin";
        if (runs(of_version / "postgres"))
            return of_version;
    }
    std::istringstream path{std::getenv("PATH") == nullptr ? "" : std::getenv("PATH")};
    for (std::string folder; std::getline(path, folder, ':');) {
        if (runs(fs::path{folder} / "initdb") && runs(fs::path{folder} / "postgres"))
            return fs::path{folder};
    }
    if (!wanted.empty())
        return fail(errc::process_failed, "the cluster was made by PostgreSQL " + wanted +
                                              ": apt-get install postgresql-" + wanted);
    int highest = 0;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{installed, ignored}) {
        if (runs(entry.path() / "bin/initdb"))
            highest = std::max(highest, std::atoi(entry.path().filename().c_str()));
    }
    if (highest == 0)
        return fail(errc::process_failed,
                    std::string{"no PostgreSQL server found: "} + std::string{install_hint});
    return installed / std::to_string(highest) / "bin";
}

result<std::optional<identity>> server_identity()
{
    if (::geteuid() != 0)
        return std::nullopt;
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr)
        return fail(errc::process_failed, "root may not run PostgreSQL, and there is no user "
                                          "`postgres` to run it: " +
                                              std::string{install_hint});
    identity who{user->pw_uid, user->pw_gid, std::vector<gid_t>(64), user->pw_name};
    int count = static_cast<int>(who.groups.size());
    if (::getgrouplist(user->pw_name, user->pw_gid, who.groups.data(), &count) < 0)
        count = 0;
    who.groups.resize(static_cast<std::size_t>(count));
    return who;
}

result<void> prepare_directory(const fs::path& directory, const std::optional<identity>& who)
{
    std::error_code fault;
    if (fs::exists(directory, fault) && !fs::is_empty(directory, fault) &&
        !fs::exists(directory / "lock", fault))
        return fail(errc::io_failed, directory.string() +
                                         " holds other files than a private cluster: choose an "
                                         "empty or new directory");
    fs::create_directories(directory, fault);
    if (fault)
        return fail(errc::io_failed,
                    "cannot create " + directory.string() + ": " + fault.message());
    if (::chmod(directory.c_str(), 0700) != 0)
        return system_failure("cannot set the mode of " + directory.string());
    if (!who)
        return ok();
    if (::chown(directory.c_str(), who->user, who->group) != 0)
        return system_failure("cannot give " + directory.string() + " to user " + who->name);
    if (const auto closed = closed_to(*who, directory); !closed.empty())
        return fail(errc::io_failed, "user " + who->name +
                                         ", who has to run PostgreSQL for root, "
                                         "may not enter " +
                                         closed.string() +
                                         ": choose a directory elsewhere, such as "
                                         "/var/lib/attentive-gateway/postgres");
    return ok();
}

result<file_descriptor> lock_directory(const fs::path& directory)
{
    const fs::path file = directory / "lock";
    file_descriptor lock{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (lock.get() < 0)
        return system_failure("cannot open " + file.string());
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
        return fail(errc::process_failed, "another process runs the cluster in " +
                                              directory.string() + ": stop it first");
    return lock;
}

} // namespace gateway
