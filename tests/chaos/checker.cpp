#include "chaos/checker.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace gateway::chaos {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds tick{10};
constexpr std::size_t violations_max = 1'000;

// The value of `name` in a line of the journal, which the sender writes in one form always: texts
// in quotes without escapes, numbers bare. "null" for null.
std::optional<std::string_view> field(std::string_view line, std::string_view name)
{
    std::string pattern = "\"";
    pattern.append(name).append("\":");
    const auto at = line.find(pattern);
    if (at == std::string_view::npos)
        return std::nullopt;
    auto rest = line.substr(at + pattern.size());
    const bool quoted = !rest.empty() && rest.front() == '"';
    if (quoted)
        rest.remove_prefix(1);
    const auto end = quoted ? rest.find('"') : rest.find_first_of(",}");
    if (end == std::string_view::npos)
        return std::nullopt;
    return rest.substr(0, end);
}

template <class Number>
std::optional<Number> number(std::string_view text, int base = 10)
{
    Number out{};
    const char* const end = text.data() + text.size();
    const auto [stopped, fault] = std::from_chars(text.data(), end, out, base);
    if (fault != std::errc{} || stopped != end)
        return std::nullopt;
    return out;
}

// "2026-11-21T14:00:29.123Z"
std::optional<moment> moment_from(std::string_view text)
{
    if (text.size() != 24)
        return std::nullopt;
    const auto part = [&](std::size_t at, std::size_t size) {
        return number<int>(text.substr(at, size));
    };
    const auto year = part(0, 4);
    const auto month = part(5, 2);
    const auto day = part(8, 2);
    const auto hour = part(11, 2);
    const auto minute = part(14, 2);
    const auto second = part(17, 2);
    const auto millisecond = part(20, 3);
    if (!year || !month || !day || !hour || !minute || !second || !millisecond)
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    return moment{std::chrono::sys_days{date}} + std::chrono::hours{*hour} +
           std::chrono::minutes{*minute} + std::chrono::seconds{*second} +
           milliseconds{*millisecond};
}

bool is_good(int status)
{
    return status >= 200 && status <= 299;
}

bool is_within(const std::vector<period>& periods, moment at)
{
    return std::any_of(periods.begin(), periods.end(),
                       [at](const period& p) { return p.from <= at && at <= p.to; });
}

// Rows of one body.
struct found {
    std::uint64_t events = 0;
    std::uint64_t quarantined = 0;
};

using found_rows = std::unordered_map<content_key, found, content_key_hash>;

void note(verdict& v, const char* what, const content_key& k)
{
    if (v.violations.size() < violations_max)
        v.violations.push_back(std::string{what} + " " + to_string(k));
}

void judge_sent(verdict& v, const content_key& k, const history::fate& f, const found& rows)
{
    const bool is_stored = rows.events + rows.quarantined > 0;
    ++v.attempted;
    if (f.acked) {
        ++v.acked;
        if (!is_stored) {
            ++v.lost;
            note(v, "lost", k);
        }
    } else {
        ++(f.open > 0 ? v.unknown : v.refused);
        v.unknown_stored += is_stored ? 1 : 0;
    }
    if (f.poison ? rows.events > 0 : rows.quarantined > 0) {
        ++v.misplaced;
        note(v, f.poison ? "poison in the log" : "innocent in quarantine", k);
    }
}

} // namespace

std::optional<content_key> key_from_hex(std::string_view sha256)
{
    if (sha256.size() != 64)
        return std::nullopt;
    const auto high = number<std::uint64_t>(sha256.substr(0, 16), 16);
    const auto low = number<std::uint64_t>(sha256.substr(16, 16), 16);
    if (!high || !low)
        return std::nullopt;
    return content_key{*high, *low};
}

std::string to_string(const content_key& k)
{
    char out[33];
    std::snprintf(out, sizeof out, "%016llx%016llx", static_cast<unsigned long long>(k.high),
                  static_cast<unsigned long long>(k.low));
    return out;
}

bool is_poison(std::string_view event_id)
{
    return event_id.substr(0, 3) == "f00";
}

bool history::add_line(std::string_view line, std::size_t daemon)
{
    const auto phase = field(line, "phase");
    const auto event_id = field(line, "event_id");
    const auto digest = field(line, "sha256");
    const auto status = field(line, "status");
    const auto when = field(line, "at");
    if (!phase || !event_id || !digest || !status || !when)
        return false;
    const auto key = key_from_hex(*digest);
    const auto at = moment_from(*when);
    if (!key || !at)
        return false;
    if (*phase == "attempt") {
        fate& f = fates_[*key];
        f.poison = is_poison(*event_id);
        ++f.open;
        f.last_sent = *at;
        ++sends_;
        return true;
    }
    const auto code = *status == "null" ? 0 : number<int>(*status);
    const auto attempted = fates_.find(*key);
    if (*phase != "answer" || !code || attempted == fates_.end())
        return false;
    fate& f = attempted->second;
    const bool good = is_good(*code);
    if (*code != 0 && f.open > 0)
        --f.open;
    if (good)
        ++latencies_[(*at - f.last_sent) / tick * tick];
    acks_ += good ? 1 : 0;
    acked_ += good && !f.acked ? 1 : 0;
    f.acked |= good;
    f.refused |= *code != 0 && !good;
    ++statuses_[*code];
    answered(daemon, *at, *code);
    return true;
}

void history::answered(std::size_t daemon, moment at, int status)
{
    auto& here = ticks_[daemon][moment{at.time_since_epoch() / tick * tick}];
    const bool good = is_good(status);
    here.good |= good;
    here.refusals += status != 0 && !good ? 1 : 0;
}

std::uint64_t history::refusals_outside(const std::vector<period>& excused) const
{
    std::uint64_t count = 0;
    for (const auto& [daemon, ticks] : ticks_) {
        for (const auto& [at, here] : ticks)
            count += is_within(excused, at) ? 0 : here.refusals;
    }
    return count;
}

milliseconds history::longest_window_outside(const std::vector<period>& excused) const
{
    milliseconds longest{};
    for (const auto& [daemon, ticks] : ticks_) {
        std::optional<moment> since;
        for (const auto& [at, here] : ticks) {
            if (is_within(excused, at))
                since.reset();
            else if (here.refusals > 0 && !since)
                since = at;
            if (since)
                longest = std::max(longest, std::chrono::duration_cast<milliseconds>(at - *since));
            if (here.good)
                since.reset();
        }
    }
    return longest;
}

milliseconds history::p99() const
{
    std::uint64_t all = 0;
    for (const auto& [latency, count] : latencies_)
        all += count;
    std::uint64_t seen = 0;
    for (const auto& [latency, count] : latencies_) {
        seen += count;
        if (seen * 100 >= all * 99)
            return latency;
    }
    return milliseconds{0};
}

verdict check(const history& sent, const std::vector<stored_row>& stored)
{
    verdict v;
    found_rows rows;
    rows.reserve(stored.size());
    for (const auto& row : stored) {
        ++(row.in == table::source_event ? v.rows : v.quarantined);
        if (row.body) {
            auto& of_body = rows[*row.body];
            ++(row.in == table::source_event ? of_body.events : of_body.quarantined);
        } else {
            ++v.phantom; // whose it is, nothing says
        }
    }
    for (const auto& [key, of_body] : rows) {
        const auto all = of_body.events + of_body.quarantined;
        if (all > 1) {
            v.duplicates += all - 1;
            note(v, "duplicate", key);
        }
        if (!sent.fates().contains(key)) {
            v.phantom += all;
            note(v, "phantom", key);
        }
    }
    for (const auto& [key, fate] : sent.fates()) {
        const auto of_body = rows.find(key);
        judge_sent(v, key, fate, of_body == rows.end() ? found{} : of_body->second);
    }
    v.sends = sent.sends();
    return v;
}

} // namespace gateway::chaos
