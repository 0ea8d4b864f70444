#include "gateway/app/log.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

namespace gateway {
namespace {

// As a JSON string with its quotes. nlohmann throws only for invalid UTF-8, which is replaced.
std::string escaped(std::string_view text)
{
    using nlohmann::json;
    return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

// The configuration's words, by spdlog's numbers.
constexpr std::array<std::string_view, 6> level_names = {"trace", "debug", "info",
                                                         "warn",  "error", "critical"};

using line_maker = std::string (*)(timestamp, std::string_view, std::string_view);

class line_formatter : public spdlog::formatter {
public:
    explicit line_formatter(line_maker make) : make_(make) {}

    void format(const spdlog::details::log_msg& m, spdlog::memory_buf_t& out) override
    {
        const auto at = std::chrono::floor<std::chrono::milliseconds>(m.time);
        const auto level =
            level_names[std::min(static_cast<std::size_t>(m.level), level_names.size() - 1)];
        const std::string line = make_(at, level, {m.payload.data(), m.payload.size()}) + "\n";
        out.append(line.data(), line.data() + line.size());
    }

    std::unique_ptr<spdlog::formatter> clone() const override
    {
        return std::make_unique<line_formatter>(make_);
    }

private:
    line_maker make_;
};

} // namespace

std::string json_log_line(timestamp at, std::string_view level, std::string_view message)
{
    return R"({"time":")" + to_string(at) + R"(","level":")" + std::string{level} +
           R"(","message":)" + escaped(message) + "}";
}

std::string text_log_line(timestamp at, std::string_view level, std::string_view message)
{
    std::string out = to_string(at) + " " + std::string{level};
    out.append(level.size() < 6 ? 6 - level.size() : 1, ' '); // messages below each other
    const std::string quoted = escaped(message);
    for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
        const bool plain = quoted[i] == '\\' && (quoted[i + 1] == '"' || quoted[i + 1] == '\\');
        i += plain ? 1 : 0; // quotes and backslashes read better as they are
        out += quoted[i];
    }
    return out;
}

void set_log_level(const std::string& level)
{
    spdlog::set_level(spdlog::level::from_str(level));
}

void set_up_log(const std::string& level, const std::string& format)
{
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>(); // shared: spdlog's own demand
    auto logger = std::make_shared<spdlog::logger>("", std::move(sink));
    logger->set_formatter(
        std::make_unique<line_formatter>(format == "json" ? json_log_line : text_log_line));
    logger->set_level(spdlog::level::from_str(level)); // knows "warn" and "error" as well
    spdlog::set_default_logger(std::move(logger));
}

} // namespace gateway
