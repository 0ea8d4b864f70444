// Deliveries for tests of the spool: numbered, so that a set of them can be compared, and their
// bodies made from the number, so that a changed byte shows.
#pragma once

#include "gateway/model/delivery.hpp"
#include "gateway/store/spool.hpp"

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace gateway::test {

verified_delivery numbered_delivery(int number, std::size_t body_bytes = 500);

// The number of a delivery that is exactly as numbered_delivery() made it, -1 of any other.
int number_of(const verified_delivery& d);

// Appends numbers [first, first + count) as one batch.
result<void> append_numbers(spool& s, int first, int count, std::size_t body_bytes = 500);

// Reads and removes until nothing comes; the numbers in order, -1 for each that is not whole. A
// read that fails ends it.
std::vector<int> drain_numbers(spool& s, std::size_t events_max = 100);

std::set<int> range(int first, int end);

// A temporary directory in memory where the host has one, for the tests that run hundreds of
// scripts: there fsync costs nothing, and what it promises is not what they ask.
class memory_directory {
public:
    memory_directory();
    ~memory_directory();
    memory_directory(const memory_directory&) = delete;
    memory_directory& operator=(const memory_directory&) = delete;

    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

} // namespace gateway::test
