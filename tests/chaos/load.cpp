#include "chaos/load.hpp"

#include "support/process.hpp"

#include <csignal>
#include <fstream>

namespace gateway::chaos {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr int resends_max = 2;
// A whole round that is sent again would mend a loss before anybody saw it. So half of the rounds
// are sent once only, by their seed, whatever becomes of them.
bool is_mirrored(std::uint64_t seed)
{
    return seed % 4 == 0;
}

bool is_sent_again(std::uint64_t seed)
{
    return seed % 4 == 1;
}

} // namespace

load::load(const load_settings& settings,
           const std::vector<std::unique_ptr<gateway_daemon>>& daemons)
    : settings_(settings), daemons_(daemons), next_seed_(settings.seed), mirrored_(daemons.size())
{
    fs::create_directories(settings_.journals);
    for (std::size_t i = 0; i < daemons_.size(); ++i)
        senders_.emplace_back([this, i] { run(i); });
}

load::~load()
{
    stop();
}

void load::stop()
{
    stopping_ = true;
    for (auto& sender : senders_) {
        if (sender.joinable())
            sender.join();
    }
}

std::uint64_t load::acked() const
{
    const std::lock_guard lock{mutex_};
    return sent_.acked();
}

void load::run(std::size_t to)
{
    for (std::uint64_t number = 1; !stopping_; ++number) {
        round r = next_round(to);
        const outcome got = send(r, to, number);
        if (got == outcome::nobody_there)
            std::this_thread::sleep_for(100ms);
        else if (got == outcome::all_acked || r.resends_left-- == 0)
            continue;
        const std::lock_guard lock{mutex_};
        again_.push_back(r);
    }
}

load::round load::next_round(std::size_t to)
{
    const std::lock_guard lock{mutex_};
    for (auto* queue : {&mirrored_[to], &again_}) {
        if (queue->empty())
            continue;
        const round r = queue->front();
        queue->pop_front();
        return r;
    }
    const std::uint64_t seed = next_seed_++;
    const round fresh{seed, is_sent_again(seed) ? resends_max : 0};
    if (settings_.all_twice || is_mirrored(fresh.seed)) {
        for (std::size_t other = 0; other < daemons_.size(); ++other) {
            if (other != to)
                mirrored_[other].push_back(fresh);
        }
    }
    return fresh;
}

load::outcome load::send(const round& r, std::size_t to, std::uint64_t number)
{
    const double rate = settings_.rate / static_cast<double>(daemons_.size());
    const auto count = static_cast<std::uint64_t>(rate * settings_.round_seconds);
    const auto journal =
        settings_.journals / (std::to_string(to) + "-" + std::to_string(number) + ".jsonl");
    const auto& daemon = *daemons_[to];
    test::process sender{{settings_.binary.string(), "send", "--url", daemon.url(), "--key-file",
                          daemon.key_file().string(), "--ca", daemon.certificate().string(),
                          "--unique", "--seed", std::to_string(r.seed), "--count",
                          std::to_string(count + 1), "--rate", std::to_string(rate),
                          "--connections", std::to_string(settings_.connections), "--journal",
                          journal.string()}};
    while (!sender.wait(50ms)) {
        if (stopping_) {
            sender.signal(SIGKILL);
            sender.wait(10s);
        }
    }
    return take_in(journal, to);
}

load::outcome load::take_in(const fs::path& journal, std::size_t from)
{
    std::ifstream in{journal};
    const std::lock_guard lock{mutex_};
    const auto sends_before = sent_.sends();
    const auto acks_before = sent_.acks();
    std::string line;
    while (std::getline(in, line) && !in.eof()) // a line without its end was never finished
        sent_.add_line(line, from);
    const auto sends = sent_.sends() - sends_before;
    if (sends == 0)
        return outcome::nobody_there;
    return sent_.acks() - acks_before == sends ? outcome::all_acked : outcome::some_not;
}

} // namespace gateway::chaos
