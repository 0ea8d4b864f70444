#include "support/spool_events.hpp"

#include "gateway/store/stored_delivery.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <system_error>

namespace gateway::test {

verified_delivery numbered_delivery(int number, std::size_t body_bytes)
{
    std::string body = "{\"number\":" + std::to_string(number) + ",\"text\":\"";
    auto state = static_cast<std::uint32_t>(number) * 2654435761U + 1U;
    while (body.size() + 2 < body_bytes) {
        state = state * 1664525U + 1013904223U;
        body += static_cast<char>('a' + (state >> 24U) % 26U);
    }
    delivery d{"attentive", body + "\"}", {}, timestamp{std::chrono::milliseconds{1'000 + number}}};
    return stored_delivery::rebuild(std::move(d), "key-" + std::to_string(number % 3));
}

int number_of(const verified_delivery& d)
{
    const auto number = static_cast<int>(d.received_at().time_since_epoch().count()) - 1'000;
    const verified_delivery made = numbered_delivery(number, d.body().size());
    const bool same =
        made.body() == d.body() && made.key_id() == d.key_id() && made.endpoint() == d.endpoint();
    return same ? number : -1;
}

result<void> append_numbers(spool& s, int first, int count, std::size_t body_bytes)
{
    std::vector<verified_delivery> made;
    for (int i = 0; i < count; ++i)
        made.push_back(numbered_delivery(first + i, body_bytes));
    std::vector<const verified_delivery*> batch;
    for (const auto& d : made)
        batch.push_back(&d);
    return s.append(batch);
}

std::vector<int> drain_numbers(spool& s, std::size_t events_max)
{
    std::vector<int> numbers;
    for (;;) {
        const auto batch = s.read(events_max, 1U << 20U);
        if (!batch || batch.value().deliveries.empty())
            return numbers;
        for (const auto& d : batch.value().deliveries)
            numbers.push_back(number_of(d));
        if (!s.remove(batch.value()))
            return numbers;
    }
}

std::set<int> range(int first, int end)
{
    std::set<int> numbers;
    for (int i = first; i < end; ++i)
        numbers.insert(i);
    return numbers;
}

memory_directory::memory_directory()
{
    const std::filesystem::path memory{"/dev/shm"};
    const auto base =
        ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
    std::string name = (base / "gateway-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
        std::abort();
    path_ = name;
}

memory_directory::~memory_directory()
{
    std::error_code ignored; // a leftover fails no test
    std::filesystem::remove_all(path_, ignored);
}

} // namespace gateway::test
