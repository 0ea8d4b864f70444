#include "app/config/read_file.hpp"

#include "app/config/units.hpp"
#include "gateway/base/wipe.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace gateway {
namespace {

struct read_buffer {
    std::string bytes = std::string(16U << 10U, '\0');
    ~read_buffer() { wipe(bytes); } // the file may be a secret
};

result<std::string> read_all(int descriptor, const std::string& name, std::size_t bytes_max)
{
    std::string out;
    read_buffer chunk;
    for (;;) {
        const ssize_t count = ::read(descriptor, chunk.bytes.data(), chunk.bytes.size());
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EISDIR)
            return fail(errc::io_failed, name + ": is a directory");
        if (count < 0)
            return fail(errc::io_failed, name + ": " + std::strerror(errno));
        if (count == 0)
            return out;
        out.append(chunk.bytes.data(), static_cast<std::size_t>(count));
        if (out.size() > bytes_max)
            return fail(errc::io_failed, name + ": larger than " + size_text(bytes_max));
    }
}

} // namespace

result<std::string> read_file(const std::filesystem::path& file, std::size_t bytes_max)
{
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return fail(errc::io_failed, file.string() + ": " + std::strerror(errno));
    auto content = read_all(descriptor, file.string(), bytes_max);
    ::close(descriptor);
    return content;
}

result<std::string> read_standard_input(std::size_t bytes_max)
{
    return read_all(STDIN_FILENO, "standard input", bytes_max);
}

} // namespace gateway
