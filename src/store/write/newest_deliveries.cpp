#include "gateway/store/newest_deliveries.hpp"

#include <algorithm>

namespace gateway {

template <std::size_t size>
void delivery_notes::ring<size>::add(const delivery_note& n)
{
    noted_delivery& place = kept[count++ % size];
    place.received_at = n.received_at;
    place.endpoint = n.endpoint.substr(0, text_bytes_max);
    place.type = n.type.substr(0, text_bytes_max);
    place.outcome = n.outcome.substr(0, text_bytes_max);
    place.reason = n.reason.substr(0, text_bytes_max);
    place.company_id = n.company_id.substr(0, text_bytes_max);
    place.company_name = n.company_name.substr(0, text_bytes_max);
}

void delivery_notes::note(const delivery_note& n)
{
    const std::lock_guard lock{mutex_};
    signed_.add(n);
}

void delivery_notes::note_unsigned(const delivery_note& n)
{
    const std::lock_guard lock{mutex_};
    unsigned_.add(n);
}

std::vector<noted_delivery> delivery_notes::newest_first() const
{
    std::vector<noted_delivery> all;
    {
        const std::lock_guard lock{mutex_};
        for (std::size_t i = 0; i < std::min(signed_.count, signed_max); ++i)
            all.push_back(signed_.kept[(signed_.count - 1 - i) % signed_max]);
        for (std::size_t i = 0; i < std::min(unsigned_.count, unsigned_max); ++i)
            all.push_back(unsigned_.kept[(unsigned_.count - 1 - i) % unsigned_max]);
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.received_at > b.received_at; });
    return all;
}

delivery_notes& newest_deliveries()
{
    static delivery_notes instance;
    return instance;
}

} // namespace gateway
