#include "store/spool/spool_carving.hpp"
#include "gateway/store/stored_delivery.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>

namespace gateway {
namespace {

// --- Records on leaf pages ---

// Reads bytes one after the other; anything beyond the end makes it bad, for good.
class byte_reader {
public:
    explicit byte_reader(std::string_view bytes) : bytes_{bytes} {}

    std::uint64_t varint()
    {
        std::uint64_t value = 0;
        for (int i = 0; i < 8; ++i) {
            const unsigned byte = next();
            value = value << 7U | (byte & 0x7FU);
            if ((byte & 0x80U) == 0)
                return value;
        }
        return value << 8U | next();
    }

    std::string_view take(std::uint64_t size)
    {
        if (!good_ || size > bytes_.size() - at_) {
            good_ = false;
            return {};
        }
        const auto out = bytes_.substr(at_, size);
        at_ += size;
        return out;
    }

    bool good() const { return good_; }
    std::size_t at() const { return at_; }

private:
    unsigned next()
    {
        const auto byte = take(1);
        return byte.empty() ? 0U : static_cast<unsigned char>(byte.front());
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
    bool good_ = true;
};

struct cell {
    std::int64_t rowid = 0;
    std::string payload;
};

using page_map = std::map<std::uint32_t, std::string_view>;

// How much of a payload stands on the leaf itself (fileformat2, "B-tree Cell Format").
std::size_t local_bytes(std::uint64_t payload)
{
    constexpr std::uint64_t local_max = spool_page_bytes - 35;
    constexpr std::uint64_t local_min = (spool_page_bytes - 12) * 32 / 255 - 23;
    if (payload <= local_max)
        return payload;
    const std::uint64_t fitted = local_min + (payload - local_min) % (spool_page_bytes - 4);
    return fitted <= local_max ? fitted : local_min;
}

std::optional<cell> cell_at(std::string_view page, std::size_t offset, const page_map& pages)
{
    if (offset >= page.size())
        return std::nullopt;
    byte_reader reader{page.substr(offset)};
    const std::uint64_t size = reader.varint();
    cell found;
    found.rowid = static_cast<std::int64_t>(reader.varint());
    if (!reader.good() || size > pages.size() * spool_page_bytes)
        return std::nullopt;
    const std::size_t local = local_bytes(size);
    found.payload = reader.take(local);
    std::uint32_t next = 0;
    if (local < size) {
        const auto pointer = reader.take(4);
        next = reader.good() ? big_endian(pointer, 0, 4) : 0;
    }
    while (reader.good() && found.payload.size() < size) {
        const auto overflow = pages.find(next);
        if (overflow == pages.end())
            return std::nullopt;
        const std::size_t rest = size - found.payload.size();
        found.payload += overflow->second.substr(4, rest);
        next = big_endian(overflow->second, 0, 4);
    }
    return reader.good() ? std::optional{std::move(found)} : std::nullopt;
}

struct column {
    std::uint64_t type = 0; // serial type of the record format
    std::string_view bytes;

    bool text() const { return type >= 13 && type % 2 == 1; }
    bool blob() const { return type >= 12 && type % 2 == 0; }
};

std::uint64_t column_bytes(std::uint64_t type)
{
    constexpr std::array<std::uint64_t, 12> fixed = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};
    return type < fixed.size() ? fixed.at(type) : (type - 12) / 2;
}

std::vector<column> columns_of(std::string_view record)
{
    constexpr std::size_t columns_max = 6;
    byte_reader header{record};
    const std::uint64_t header_bytes = header.varint();
    byte_reader values{record};
    values.take(header_bytes);
    std::vector<column> columns;
    while (header.good() && values.good() && header.at() < header_bytes &&
           columns.size() < columns_max) {
        column c;
        c.type = header.varint();
        c.bytes = values.take(column_bytes(c.type));
        columns.push_back(c);
    }
    const bool whole = header.good() && values.good() && header.at() == header_bytes &&
                       values.at() == record.size();
    return whole ? columns : std::vector<column>{};
}

std::optional<std::int64_t> integer_of(const column& c)
{
    if (c.type == 8 || c.type == 9)
        return static_cast<std::int64_t>(c.type - 8);
    if (c.type < 1 || c.type > 6)
        return std::nullopt;
    const bool negative = (static_cast<unsigned char>(c.bytes.front()) & 0x80U) != 0;
    std::uint64_t value = negative ? ~0ULL : 0ULL;
    for (const char byte : c.bytes)
        value = value << 8U | static_cast<unsigned char>(byte);
    return static_cast<std::int64_t>(value);
}

bool equal(std::string_view bytes, const digest256& digest)
{
    return bytes.size() == digest.size() &&
           std::memcmp(bytes.data(), digest.data(), digest.size()) == 0;
}

// Columns as spool_file.cpp creates them: seq, received_at, endpoint, key_id, checksum, body.
std::optional<spool_row> row_of(const cell& c)
{
    const auto columns = columns_of(c.payload);
    if (columns.size() != 6 || columns[0].type != 0 || !columns[2].text() || !columns[3].text() ||
        !columns[4].blob() || !columns[5].blob())
        return std::nullopt;
    const auto received_at = integer_of(columns[1]);
    if (!received_at)
        return std::nullopt;
    delivery d{.endpoint = std::string{columns[2].bytes},
               .body = std::string{columns[5].bytes},
               .signatures = {},
               .received_at = timestamp{std::chrono::milliseconds{*received_at}}};
    spool_row row{c.rowid, stored_delivery::rebuild(std::move(d), std::string{columns[3].bytes})};
    if (!equal(columns[4].bytes, row_checksum(row.seq, row.content)))
        return std::nullopt;
    return row;
}

// Columns of the mark: id, removed_to, checksum.
std::optional<std::int64_t> mark_of(const cell& c)
{
    const auto columns = columns_of(c.payload);
    if (columns.size() != 3 || c.rowid != 1 || columns[0].type != 0)
        return std::nullopt;
    const auto value = integer_of(columns[1]);
    if (!value || *value < 0 || !equal(columns[2].bytes, mark_checksum(*value)))
        return std::nullopt;
    return value;
}

// --- Carving ---

class carver {
public:
    explicit carver(page_map pages) : pages_{std::move(pages)} {}

    // Takes the rows of one page image; returns how many cells held none.
    std::uint64_t take(std::string_view page)
    {
        constexpr char table_leaf = 0x0D;
        constexpr std::size_t cell_pointers_at = 8;
        if (page.size() < spool_page_bytes || page.front() != table_leaf)
            return 0;
        constexpr std::size_t cells_max = (spool_page_bytes - cell_pointers_at) / 4;
        const std::size_t cells = std::min<std::size_t>(big_endian(page, 3, 2), cells_max);
        std::uint64_t broken = 0;
        for (std::size_t i = 0; i < cells; ++i) {
            const std::size_t pointer = cell_pointers_at + 2 * i;
            const auto found = cell_at(page, big_endian(page, pointer, 2), pages_);
            broken += found && keep(*found) ? 0 : 1;
        }
        return broken;
    }

    carved_rows finish(std::uint64_t broken)
    {
        carved_rows out;
        out.broken = broken;
        out.mark_found = mark_.has_value();
        out.mark = mark_.value_or(0);
        std::int64_t expected = out.mark + 1;
        for (auto& [seq, content] : rows_) {
            if (seq <= out.mark)
                continue;
            out.missing += static_cast<std::uint64_t>(seq - expected);
            expected = seq + 1;
            out.rows.push_back(spool_row{seq, std::move(content)});
        }
        return out;
    }

private:
    bool keep(const cell& c)
    {
        if (const auto mark = mark_of(c)) {
            mark_ = std::max(mark_.value_or(0), *mark); // it only ever grows
            return true;
        }
        auto row = row_of(c);
        if (!row || row->seq <= 0)
            return false;
        rows_.emplace(row->seq, std::move(row->content));
        return true;
    }

    page_map pages_;
    std::map<std::int64_t, verified_delivery> rows_;
    std::optional<std::int64_t> mark_;
};

void add_pages(page_map& pages, std::string_view database)
{
    std::uint32_t number = 1;
    for (std::size_t at = 0; at + spool_page_bytes <= database.size(); at += spool_page_bytes)
        pages[number++] = database.substr(at, spool_page_bytes);
}

} // namespace

carved_rows carve(const spool_image& image)
{
    const std::string view = committed_view(image);
    const auto frames = frames_of(image.wal);
    // Pages that hold the tail of a long row are written once, so any copy of one will do.
    page_map pages;
    for (const auto& frame : frames)
        pages[frame.number] = frame.bytes;
    add_pages(pages, image.database);
    add_pages(pages, view);

    carver rows{pages};
    std::uint64_t broken = 0;
    for (std::size_t at = spool_page_bytes; at < view.size(); at += spool_page_bytes)
        broken += rows.take(std::string_view{view}.substr(at, spool_page_bytes));
    // Whatever older or uncommitted copies of the pages still have, too.
    for (std::size_t at = spool_page_bytes; at < image.database.size(); at += spool_page_bytes)
        rows.take(std::string_view{image.database}.substr(at, spool_page_bytes));
    for (const auto& frame : frames)
        rows.take(frame.bytes);
    return rows.finish(broken);
}

} // namespace gateway
