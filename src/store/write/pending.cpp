#include "store/write/pending.hpp"

#include <utility>

namespace gateway {

uuid quarantine_id(const verified_delivery& d)
{
    return uuid_from_digest(sha256(d.endpoint() + '\x1f' + d.body()));
}

std::size_t weight(const pending& p)
{
    return sizeof(pending) + 2 * p.delivery.body().size();
}

void map_all(std::vector<std::unique_ptr<pending>>& batch, const mapping_function& map)
{
    for (auto& p : batch) {
        try {
            if (!p->what)
                p->what.emplace(map(p->delivery));
        } catch (const std::exception&) {
            p->done(fail(errc::overloaded, "out of memory while mapping"));
            p.reset();
        }
    }
    std::erase(batch, nullptr);
}

} // namespace gateway
