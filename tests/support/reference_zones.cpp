// Clocks of companies, from the rules that zones are published by: IANA, tz database, files
// northamerica and australasia.
#include "support/reference.hpp"

namespace gateway::test {
namespace {

using namespace std::chrono;

sys_days sunday(int y, month m, unsigned number)
{
    return sys_days{year{y} / m / Sunday[number]};
}

int year_of(timestamp t)
{
    return int{year_month_day{floor<days>(t)}.year()};
}

// From 2:00 of the second Sunday in March to 2:00 of the first in November, an hour ahead.
minutes new_york(timestamp t)
{
    const int y = year_of(t);
    const bool summer =
        t >= sunday(y, March, 2) + hours{7} && t < sunday(y, November, 1) + hours{6};
    return hours{summer ? -4 : -5};
}

// From 2:00 of the first Sunday in October to 2:00 of the first in April, half an hour ahead.
minutes lord_howe(timestamp t)
{
    const int y = year_of(t);
    const bool winter = t >= sunday(y, April, 1) + hours{2} - hours{11} &&
                        t < sunday(y, October, 1) + hours{2} - minutes{630};
    return minutes{winter ? 630 : 660};
}

} // namespace

std::chrono::minutes ahead_of_utc(story_zone zone, timestamp t)
{
    switch (zone) {
    case story_zone::utc: return minutes{0};
    case story_zone::new_york: return new_york(t);
    case story_zone::lord_howe: return lord_howe(t);
    }
    return {};
}

} // namespace gateway::test
