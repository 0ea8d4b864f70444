// One mutex for queue and counters: a push is a few instructions, and a batch is taken under one
// lock, so contention stays small against the commit.
#include "store/write/inbox.hpp"

#include <limits>
#include <utility>

namespace gateway {

bool inbox::push(std::unique_ptr<pending>& p)
{
    {
        const std::lock_guard lock{mutex_};
        const std::size_t bytes = weight(*p);
        if (closed_ || queue_.size() >= limit_.events || bytes > limit_.bytes - bytes_)
            return false;
        bytes_ += bytes;
        queue_.push_back(std::move(p));
    }
    filled_.notify_one();
    return true;
}

std::vector<std::unique_ptr<pending>> inbox::take(bounds batch,
                                                  std::optional<std::chrono::milliseconds> patience)
{
    std::unique_lock lock{mutex_};
    const auto enough = [this] {
        return closed_ || queue_.size() >= (under_way_ == 0 ? 1 : enough_beside);
    };
    if (!patience)
        filled_.wait(lock, enough);
    else if (!filled_.wait_for(lock, *patience, enough))
        return {};
    auto taken = take_some(batch);
    if (!taken.empty())
        ++under_way_;
    return taken;
}

void inbox::finished()
{
    {
        const std::lock_guard lock{mutex_};
        --under_way_;
    }
    filled_.notify_one();
}

std::vector<std::unique_ptr<pending>> inbox::take_all()
{
    const std::lock_guard lock{mutex_};
    constexpr auto no_limit = std::numeric_limits<std::size_t>::max();
    return take_some({no_limit, no_limit});
}

std::vector<std::unique_ptr<pending>> inbox::take_older(std::chrono::steady_clock::time_point then)
{
    const std::lock_guard lock{mutex_};
    std::vector<std::unique_ptr<pending>> taken;
    while (!queue_.empty() && queue_.front()->since <= then)
        taken.push_back(take_one());
    return taken;
}

bool inbox::at_end() const
{
    const std::lock_guard lock{mutex_};
    return closed_ && queue_.empty();
}

bounds inbox::waiting() const
{
    const std::lock_guard lock{mutex_};
    return {queue_.size(), bytes_};
}

void inbox::close()
{
    {
        const std::lock_guard lock{mutex_};
        closed_ = true;
    }
    filled_.notify_all();
}

std::vector<std::unique_ptr<pending>> inbox::take_some(bounds batch)
{
    std::vector<std::unique_ptr<pending>> taken;
    std::size_t bytes = 0;
    while (!queue_.empty() && taken.size() < batch.events) {
        const std::size_t next = weight(*queue_.front());
        if (!taken.empty() && next > batch.bytes - bytes)
            break;
        bytes += next;
        taken.push_back(take_one());
        if (bytes >= batch.bytes)
            break;
    }
    return taken;
}

std::unique_ptr<pending> inbox::take_one()
{
    auto oldest = std::move(queue_.front());
    queue_.pop_front();
    bytes_ -= weight(*oldest);
    return oldest;
}

} // namespace gateway
