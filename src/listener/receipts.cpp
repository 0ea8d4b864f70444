// A queue between many threads and one loop; see receipts.hpp.
#include "listener/receipts.hpp"

#include <boost/asio/post.hpp>

namespace gateway {

void receipt_queue::put(std::shared_ptr<awaited_receipt> to, result<receipt> r)
{
    bool first = false;
    {
        const std::lock_guard lock{mutex_};
        first = arrived_.empty();
        arrived_.push_back({std::move(to), std::move(r)});
    }
    if (first)
        boost::asio::post(executor_, [self = shared_from_this()] { self->deliver(); });
}

void receipt_queue::deliver()
{
    {
        const std::lock_guard lock{mutex_};
        delivering_.swap(arrived_);
    }
    for (auto& [to, what] : delivering_) {
        to->what.emplace(std::move(what));
        to->arrived.cancel();
    }
    delivering_.clear();
}

} // namespace gateway
