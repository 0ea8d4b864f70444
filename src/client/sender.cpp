#include "gateway/client/sender.hpp"

#include "client/bodies.hpp"
#include "client/sender_connection.hpp"
#include "client/sender_journal.hpp"
#include "gateway/base/backoff.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace gateway {
namespace {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds tick{10}; // how late a time-out may be noticed
constexpr milliseconds progress_interval{100};
constexpr milliseconds backoff_min{20};
constexpr milliseconds backoff_max{2'000};
constexpr milliseconds goodbye_timeout{500};
constexpr std::size_t connections_max = 20'000;

// What the gateway says it did; other words of other servers are not counted.
std::string_view disposition_of(const std::string& body)
{
    static constexpr std::array<std::string_view, 2> known = {"accepted", "quarantined"};
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object() || !json.contains("status") || !json["status"].is_string())
        return {};
    const auto& status = json["status"].get_ref<const std::string&>();
    const auto found = std::find(known.begin(), known.end(), status);
    return found == known.end() ? std::string_view{} : *found;
}

// Of all, sorted: the smallest value that at least `share` of them do not exceed (nearest rank).
std::chrono::microseconds percentile(const std::vector<std::uint32_t>& sorted, double share)
{
    if (sorted.empty())
        return {};
    const auto rank =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return std::chrono::microseconds{sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1]};
}

// One run. Its coroutines share it without locks: a single thread runs them all.
class sending {
public:
    sending(const send_request& request, const destination& to,
            std::shared_ptr<asio::ssl::context> tls, body_stream bodies,
            std::optional<sender_journal> log)
        : request_(request), bodies_(std::move(bodies)), journal_(std::move(log))
    {
        const auto wanted = std::min<std::uint64_t>(request.connections, request.count);
        for (std::uint64_t i = 0; i < wanted; ++i)
            connections_.push_back(std::make_unique<sender_connection>(io_, to, tls));
    }

    result<send_report> run()
    {
        const auto rethrow = [](const std::exception_ptr& e) {
            if (e)
                std::rethrow_exception(e);
        };
        asio::co_spawn(io_, start(), rethrow);
        asio::co_spawn(io_, keep_time(), rethrow);
        io_.run();
        if (fatal_)
            return *fatal_;
        return finish();
    }

private:
    // Proves that there is somebody at all before the work is given out.
    asio::awaitable<void> start()
    {
        sender_connection& first = *connections_.front();
        first.set_deadline(clock::now() + request_.timeout);
        const auto opened = co_await first.open();
        first.set_deadline(clock::time_point::max());
        started_ = clock::now();
        finished_ = started_;
        if (!opened) {
            fatal_ = opened.error();
            co_return;
        }
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            ++active_;
            asio::co_spawn(io_, work(*connections_[i], i), [this](const std::exception_ptr& e) {
                --active_;
                if (e)
                    std::rethrow_exception(e);
            });
        }
    }

    asio::awaitable<void> work(sender_connection& c, std::size_t index)
    {
        outgoing scratch;
        asio::steady_timer timer{io_};
        // The jitter keeps the connections from returning together.
        backoff pause{backoff_min, backoff_max,
                      static_cast<std::uint32_t>(request_.seed + index + 1)};
        while (next_ < request_.count && !fatal_) {
            const std::uint64_t n = next_++;
            const auto due = due_time(n);
            co_await wait_until(timer, due);
            const outgoing& out = bodies_.at(n, scratch);
            if (journal_) {
                journal_->attempt(n, out.event_id, out.sha256);
                // Lets the others that are ready write theirs, so that one write(2) serves all.
                co_await asio::post(io_, asio::use_awaitable);
            }
            // With a rate the clock starts when the request was due, or stalls would hide.
            const auto from = request_.rate > 0 ? due : clock::now();
            const auto got = co_await exchange(c, out);
            record(n, out, got, from);
            if (got) {
                pause.reset();
                continue;
            }
            co_await wait_until(timer, clock::now() + pause.next());
        }
        c.set_deadline(clock::now() + goodbye_timeout);
        co_await c.shut_down();
    }

    asio::awaitable<result<http_answer>> exchange(sender_connection& c, const outgoing& out)
    {
        c.set_deadline(clock::now() + request_.timeout);
        if (c.is_stale())
            c.close();
        if (!c.is_open()) {
            const auto opened = co_await c.open();
            if (!opened)
                co_return opened.error();
        }
        if (journal_ && !flushed())
            co_return *fatal_;
        auto got = co_await c.exchange(out.bytes);
        c.set_deadline(clock::time_point::max());
        co_return got;
    }

    clock::time_point due_time(std::uint64_t n) const
    {
        if (request_.rate <= 0)
            return clock::time_point::min();
        const std::chrono::duration<double> after{static_cast<double>(n) / request_.rate};
        return started_ + std::chrono::duration_cast<clock::duration>(after);
    }

    static asio::awaitable<void> wait_until(asio::steady_timer& timer, clock::time_point due)
    {
        if (due <= clock::now())
            co_return;
        timer.expires_at(due);
        boost::system::error_code ignored;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    void record(std::uint64_t n, const outgoing& out, const result<http_answer>& got,
                clock::time_point from)
    {
        finished_ = clock::now();
        ++done_;
        const int status = got ? got.value().status : 0;
        const auto disposition = got ? disposition_of(got.value().body) : std::string_view{};
        if (journal_)
            journal_->answer(n, out.event_id, out.sha256, status, disposition);
        if (!got) {
            if (report_.failures++ == 0)
                report_.first_failure = got.error().detail;
            return;
        }
        ++report_.statuses[status];
        if (!disposition.empty())
            ++report_.dispositions[std::string{disposition}];
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(finished_ - from);
        latencies_.push_back(static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(took.count(), 0, std::numeric_limits<std::uint32_t>::max())));
    }

    bool flushed()
    {
        const auto written = journal_->flush();
        if (!written) {
            fatal_ = written.error();
            io_.stop(); // without a journal the rest would be worth nothing
        }
        return written.has_value();
    }

    // Time-outs and progress for all connections at once: a timer for each request costs more.
    asio::awaitable<void> keep_time()
    {
        asio::steady_timer timer{io_};
        auto shown = clock::now();
        do {
            co_await wait_until(timer, clock::now() + tick);
            const auto at = clock::now();
            for (const auto& c : connections_)
                c->expire(at);
            if (journal_)
                flushed();
            if (request_.progress && at - shown >= progress_interval) {
                request_.progress(done_);
                shown = at;
            }
        } while (active_ > 0 || (started_ == clock::time_point{} && !fatal_));
        if (request_.progress && !fatal_)
            request_.progress(done_);
    }

    send_report finish()
    {
        std::sort(latencies_.begin(), latencies_.end());
        report_.elapsed = finished_ - started_;
        report_.p50 = percentile(latencies_, 0.5);
        report_.p90 = percentile(latencies_, 0.9);
        report_.p99 = percentile(latencies_, 0.99);
        report_.p999 = percentile(latencies_, 0.999);
        report_.max = percentile(latencies_, 1);
        return std::move(report_);
    }

    const send_request& request_;
    body_stream bodies_;
    std::optional<sender_journal> journal_;
    asio::io_context io_{1};
    std::vector<std::unique_ptr<sender_connection>> connections_;
    std::uint64_t next_ = 0;
    std::uint64_t done_ = 0;
    std::size_t active_ = 0;
    clock::time_point started_{};
    clock::time_point finished_{};
    std::optional<error> fatal_;
    send_report report_;
    std::vector<std::uint32_t> latencies_; // microseconds
};

result<void> check(const send_request& request)
{
    if (request.count == 0)
        return fail(errc::config_invalid, "nothing to send: the count is 0");
    if (request.connections == 0 || request.connections > connections_max)
        return fail(errc::config_invalid, "connections: 1 to " + std::to_string(connections_max));
    if (!(request.rate >= 0) || request.rate > 1e9)
        return fail(errc::config_invalid, "rate: requests per second, 0 for no limit");
    if (request.timeout <= milliseconds{0})
        return fail(errc::config_invalid, "the time-out has to be positive");
    return ok();
}

} // namespace

result<send_report> send(const send_request& request)
{
    BOOST_OUTCOME_TRY(check(request));
    BOOST_OUTCOME_TRY(auto to, resolve_url(request.url));
    BOOST_OUTCOME_TRY(auto tls, make_client_tls(request.ca_file, request.insecure));
    BOOST_OUTCOME_TRY(auto bodies, body_stream::make(request, to.authority, to.target));
    std::optional<sender_journal> log;
    if (request.journal) {
        BOOST_OUTCOME_TRY(auto opened, sender_journal::open(*request.journal));
        log.emplace(std::move(opened));
    }
    try {
        return sending{request, to, std::move(tls), std::move(bodies), std::move(log)}.run();
    } catch (const std::exception& e) { // Asio, when descriptors run out, for example
        return fail(errc::network_failed, e.what());
    }
}

} // namespace gateway
