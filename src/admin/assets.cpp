#include "admin/assets.hpp"

#include "gateway/base/embedded_file.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace gateway {

// Made by CMake out of src/admin/page and Debian's libjs-chart.js.
extern const std::vector<embedded_file> embedded_page;

namespace {

constexpr std::string_view script = "text/javascript; charset=utf-8";
constexpr std::string_view each_time = "no-cache";
constexpr std::string_view a_day = "max-age=86400"; // its address holds its version

std::string_view text_of(std::string_view name)
{
    const auto found = std::find_if(embedded_page.begin(), embedded_page.end(),
                                    [&](const embedded_file& f) { return f.name == name; });
    return found == embedded_page.end() ? std::string_view{} : found->text;
}

} // namespace

const asset* find_asset(std::string_view path)
{
    static const std::array<asset, 12> all = {{
        {"/", "text/html; charset=utf-8", each_time, text_of("page")},
        {"/style.css", "text/css; charset=utf-8", each_time, text_of("style")},
        {"/icon.svg", "image/svg+xml", a_day, text_of("icon")},
        {"/chart.js", script, a_day, text_of("chart")},
        {"/answers.js", script, each_time, text_of("answers")},
        {"/charts.js", script, each_time, text_of("charts")},
        {"/formats.js", script, each_time, text_of("formats")},
        {"/live.js", script, each_time, text_of("live")},
        {"/metrics.js", script, each_time, text_of("metrics")},
        {"/table.js", script, each_time, text_of("table")},
        {"/view.js", script, each_time, text_of("view")},
        {"/words.js", script, each_time, text_of("words")},
    }};
    const auto* const found =
        std::find_if(all.begin(), all.end(), [&](const asset& a) { return a.path == path; });
    return found == all.end() ? nullptr : found;
}

} // namespace gateway
