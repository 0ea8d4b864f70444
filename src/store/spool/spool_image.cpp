#include "store/spool/spool_image.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace gateway {
namespace {

constexpr std::size_t wal_header_bytes = 32;
constexpr std::size_t frame_header_bytes = 24;
constexpr std::size_t frame_bytes = frame_header_bytes + spool_page_bytes;
constexpr int load_attempts_max = 5;

std::uint32_t u32(std::string_view bytes, std::size_t at)
{
    return big_endian(bytes, at, 4);
}

// --- Bytes from the disk ---

// Page by page where the disk fails, so that one bad sector costs one page.
std::string read_pages(int fd, std::uint64_t size)
{
    std::string bytes(size, '\0');
    for (std::uint64_t at = 0; at < size;) {
        const std::size_t chunk = std::min<std::uint64_t>(size - at, 1U << 20U);
        ssize_t got = ::pread(fd, bytes.data() + at, chunk, static_cast<off_t>(at));
        if (got < 0)
            got = ::pread(fd, bytes.data() + at, std::min(chunk, spool_page_bytes),
                          static_cast<off_t>(at));
        if (got == 0)
            break; // shrank since fstat
        at += got > 0 ? static_cast<std::uint64_t>(got) : spool_page_bytes;
    }
    return bytes;
}

result<std::string> read_bytes(const std::filesystem::path& file)
{
    // O_NONBLOCK: a pipe by this name must not hold us.
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool nothing_there = fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO);
    if (nothing_there)
        return std::string{};
    if (fd < 0)
        return fail(errc::io_failed, file.filename().string() + ": " + std::strerror(errno));
    std::string bytes;
    struct stat info = {};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
        static_cast<std::uint64_t>(info.st_size) <= spool_image_bytes_max)
        bytes = read_pages(fd, static_cast<std::uint64_t>(info.st_size));
    ::close(fd);
    return bytes;
}

// --- WAL ---

struct wal_checksum {
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    bool operator==(const wal_checksum&) const = default;
};

// `words_little_endian` comes from the WAL's magic number: the writer's own byte order.
void add(wal_checksum& sum, std::string_view bytes, bool words_little_endian)
{
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
        std::uint32_t a = u32(bytes, at);
        std::uint32_t b = u32(bytes, at + 4);
        if (words_little_endian) {
            a = __builtin_bswap32(a);
            b = __builtin_bswap32(b);
        }
        sum.first += a + sum.second;
        sum.second += b + sum.first;
    }
}

std::string_view frame_of(std::string_view wal, std::size_t index)
{
    return wal.substr(wal_header_bytes + index * frame_bytes, frame_bytes);
}

bool ends_transaction(std::string_view frame)
{
    return u32(frame, 4) != 0;
}

std::size_t frames_in(std::string_view wal)
{
    return wal.size() < wal_header_bytes ? 0 : (wal.size() - wal_header_bytes) / frame_bytes;
}

bool all_zero(std::string_view bytes)
{
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

} // namespace

std::uint32_t big_endian(std::string_view bytes, std::size_t at, std::size_t width)
{
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i)
        value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

result<std::string> load_wal(const std::filesystem::path& file)
{
    return read_bytes(file.string() + "-wal");
}

// A checkpoint moves pages from the WAL to the database while we read. As long as the WAL is the
// same one before and after, it still holds every page that moved; else read again.
result<spool_image> load_image(const std::filesystem::path& file, beside whom)
{
    spool_image image;
    for (int attempt = 0; attempt < load_attempts_max; ++attempt) {
        BOOST_OUTCOME_TRY(const auto before, load_wal(file));
        BOOST_OUTCOME_TRY(image.database, read_bytes(file));
        BOOST_OUTCOME_TRY(image.wal, load_wal(file));
        const bool same_wal = image.wal.size() >= before.size() &&
                              std::string_view{image.wal}.substr(0, wal_header_bytes) ==
                                  std::string_view{before}.substr(0, wal_header_bytes);
        if (whom == beside::nobody || (same_wal && !summarize_wal(image.wal).broken))
            break;
        std::this_thread::sleep_for(std::chrono::milliseconds{5}); // a writer in mid-write, maybe
    }
    return image;
}

wal_summary summarize_wal(std::string_view wal)
{
    constexpr std::uint32_t magic = 0x377F0682; // lowest bit set: big-endian checksums
    wal_summary out;
    out.frames = frames_in(wal);
    if (out.frames == 0)
        return out; // nothing was ever committed in it, whatever its header says
    const bool little_endian = (u32(wal, 0) & 1U) == 0;
    const auto salts = wal.substr(16, 8);
    wal_checksum sum;
    add(sum, wal.substr(0, 24), little_endian);
    if ((u32(wal, 0) & ~1U) != magic || u32(wal, 8) != spool_page_bytes ||
        sum != wal_checksum{u32(wal, 24), u32(wal, 28)}) {
        out.broken = !all_zero(wal);
        return out;
    }
    bool chained = true;
    for (std::size_t i = 0; i < out.frames; ++i) {
        const auto frame = frame_of(wal, i);
        const bool ours = frame.substr(8, 8) == salts;
        if (chained) {
            add(sum, frame.substr(0, 8), little_endian);
            add(sum, frame.substr(frame_header_bytes), little_endian);
            chained =
                ours && u32(frame, 0) != 0 && sum == wal_checksum{u32(frame, 16), u32(frame, 20)};
        }
        if (chained && ends_transaction(frame))
            out.frames_committed = i + 1;
        if (!chained && ours && ends_transaction(frame))
            out.broken = true;
    }
    return out;
}

std::string committed_view(const spool_image& image)
{
    std::string view = image.database;
    const std::string_view wal = image.wal;
    const std::size_t committed = summarize_wal(wal).frames_committed;
    if (committed == 0)
        return view;
    // The last commit says how many pages there are.
    const std::uint64_t pages = u32(frame_of(wal, committed - 1), 4);
    view.resize(std::min<std::uint64_t>(pages * spool_page_bytes, spool_image_bytes_max));
    for (std::size_t i = 0; i < committed; ++i) {
        const auto frame = frame_of(wal, i);
        const std::uint64_t at = (std::uint64_t{u32(frame, 0)} - 1) * spool_page_bytes;
        if (at + spool_page_bytes <= view.size())
            std::memcpy(view.data() + at, frame.data() + frame_header_bytes, spool_page_bytes);
    }
    return view;
}

std::vector<page_image> frames_of(std::string_view wal)
{
    std::vector<page_image> frames;
    for (std::size_t i = 0; i < frames_in(wal); ++i)
        frames.push_back({u32(frame_of(wal, i), 0), frame_of(wal, i).substr(frame_header_bytes)});
    return frames;
}

} // namespace gateway
