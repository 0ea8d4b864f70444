// The reader of spool files that does without SQLite, on bytes that mean nothing.
#include "store/spool/spool_blank.hpp"
#include "store/spool/spool_carving.hpp"
#include "unit/store/spool/spooled_files.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gateway::test {
namespace {

// Every byte of the format reader meets every kind of nonsense; the sanitizers watch.
TEST(SpoolCarvingTest, NoImageMakesTheReaderStumble)
{
    std::mt19937 random{17};
    const std::string database = closed_files().at(first_file);
    const std::string wal = crashed_files().at(first_file + "-wal");
    for (int round = 0; round < 100; ++round) {
        spool_image image{database, wal};
        for (int flips = 0; flips < 200; ++flips) {
            image.database[random() % database.size()] = static_cast<char>(random());
            image.wal[random() % wal.size()] = static_cast<char>(random());
        }
        image.database.resize(random() % (database.size() + 1));

        for (const auto& row : carve(image).rows)
            ASSERT_NE(number_of(row.content), -1);
        (void)structure_fault(committed_view(image));
    }
}

} // namespace
} // namespace gateway::test
