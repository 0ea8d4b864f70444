// The one table of an event's columns is whole: what is left out of it would be stored nowhere and
// shown by nobody.
#include "gateway/model/source_event.hpp"

#include <gtest/gtest.h>

#include <boost/pfr.hpp>

#include <algorithm>
#include <set>

namespace gateway {
namespace {

TEST(SourceEventTest, EachMemberHasOneColumn)
{
    std::set<std::string_view> names;
    std::vector<const void*> members;
    const source_event event;
    for (const auto& column : source_event_columns) {
        EXPECT_TRUE(names.insert(column.name).second) << column.name;
        std::visit(
            [&](auto value) {
                if constexpr (std::is_same_v<decltype(value), json_text>)
                    members.push_back(&(event.*value.member));
                else if constexpr (!std::is_same_v<decltype(value), received_time>)
                    members.push_back(&(event.*value));
            },
            column.value);
    }

    std::sort(members.begin(), members.end());
    EXPECT_EQ(std::unique(members.begin(), members.end()), members.end());
    EXPECT_EQ(members.size(), boost::pfr::tuple_size_v<source_event>);
}

} // namespace
} // namespace gateway
