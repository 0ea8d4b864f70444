#include "app/console/log.hpp"

#include "gateway/base/encoding.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace gateway {
namespace {

// As a JSON string with its quotes. nlohmann throws only for invalid UTF-8, which is replaced.
std::string escaped(std::string_view text)
{
    using nlohmann::json;
    return without_controls(json(text).dump(-1, ' ', false, json::error_handler_t::replace));
}

// Control characters and broken UTF-8 escaped; quotes and backslashes read better as they are.
std::string on_one_line(std::string_view text)
{
    std::string out;
    const std::string quoted = escaped(text);
    for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
        const bool plain = quoted[i] == '\\' && (quoted[i + 1] == '"' || quoted[i + 1] == '\\');
        i += plain ? 1 : 0;
        out += quoted[i];
    }
    return out;
}

struct level_names {
    std::string_view word; // the configuration's
    char priority;         // syslog(3)'s
};

// By severity's numbers, which are spdlog's as well.
constexpr std::array<level_names, 6> levels = {{{"trace", '7'},
                                                {"debug", '7'},
                                                {"info", '6'},
                                                {"warn", '4'},
                                                {"error", '3'},
                                                {"critical", '2'}}};

const level_names& names_of(severity level)
{
    return levels.at(static_cast<std::size_t>(level));
}

std::string as_json(const log_field::value_type& value)
{
    const auto* const text = std::get_if<std::string>(&value);
    return text != nullptr ? escaped(*text) : field_text(value);
}

// What a shell's or logfmt's reader would take apart stands in quotes.
std::string as_word(const log_field::value_type& value)
{
    const std::string text = field_text(value);
    const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < '\x7f' && c != '"' && c != '=' && c != '\\';
    });
    return plain ? text : escaped(text);
}

// "client.address" is CLIENT_ADDRESS there.
std::string journal_name(std::string_view name)
{
    std::string out;
    for (const char c : name)
        out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c == '.' ? '_' : c;
    return out;
}

// As systemd tells whoever it starts: sd-daemon's JOURNAL_STREAM, systemd.exec(5).
bool stderr_is_journal()
{
    const char* const stream = std::getenv("JOURNAL_STREAM");
    struct stat is {};
    return stream != nullptr && ::fstat(STDERR_FILENO, &is) == 0 &&
           std::to_string(is.st_dev) + ":" + std::to_string(is.st_ino) == stream;
}

bool sent_to_journal(const log_line& line)
{
    auto fields = journal_log_fields(line);
    std::vector<iovec> parts;
    for (auto& field : fields)
        parts.push_back({field.data(), field.size()});
    return ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}

using line_maker = std::string (*)(const log_line&);

class stderr_sink : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit stderr_sink(line_maker make)
        : make_(make), journal_(stderr_is_journal()),
          has_socket_(::access("/run/systemd/journal/socket", W_OK) == 0)
    {
    }

protected:
    void sink_it_(const spdlog::details::log_msg& m) override
    {
        const auto details = current_log_details();
        log_line line{std::chrono::floor<std::chrono::milliseconds>(m.time),
                      static_cast<severity>(std::min<int>(m.level, spdlog::level::critical)),
                      {m.payload.data(), m.payload.size()},
                      details.event,
                      details.fields != nullptr ? *details.fields : std::vector<log_field>{}};
        if (journal_ && has_socket_ && sent_to_journal(line))
            return;
        const std::string text =
            (journal_ ? journal_prefix(line.level) : std::string{}) + make_(line) + "\n";
        std::fwrite(text.data(), 1, text.size(), stderr); // unbuffered: one write(2) a line
    }

    void flush_() override {}

private:
    line_maker make_;
    bool journal_;
    bool has_socket_; // without one, sd_journal_sendv says that it has sent
};

} // namespace

std::string journal_prefix(severity level)
{
    if (!stderr_is_journal())
        return {};
    return std::string{'<', names_of(level).priority, '>'};
}

std::string json_log_line(const log_line& line)
{
    std::string out = R"({"time":")" + to_string(line.at) + R"(","level":")";
    out += names_of(line.level).word;
    out += R"(","message":)" + escaped(line.message);
    if (!line.event.empty())
        out += R"(,"event.name":)" + escaped(line.event);
    for (const log_field& f : line.fields)
        out += "," + escaped(f.name) + ":" + as_json(f.value);
    return out + "}";
}

std::string text_log_line(const log_line& line)
{
    const auto level = names_of(line.level).word;
    std::string out = to_string(line.at) + " " + std::string{level};
    out.append(level.size() < 6 ? 6 - level.size() : 1, ' '); // messages below each other
    out += on_one_line(line.message);
    if (!line.event.empty())
        out += " event.name=" + std::string{line.event};
    for (const log_field& f : line.fields)
        out += " " + std::string{f.name} + "=" + as_word(f.value);
    return out;
}

std::vector<std::string> journal_log_fields(const log_line& line)
{
    std::vector<std::string> out{"SYSLOG_IDENTIFIER=attentive-gateway",
                                 std::string{"PRIORITY="} + names_of(line.level).priority,
                                 "MESSAGE=" + on_one_line(line.message)};
    if (!line.event.empty())
        out.push_back("EVENT_NAME=" + std::string{line.event});
    for (const log_field& f : line.fields)
        out.push_back(journal_name(f.name) + "=" + on_one_line(field_text(f.value)));
    return out;
}

void set_log_level(const std::string& level)
{
    spdlog::set_level(spdlog::level::from_str(level));
}

void set_up_log(const std::string& level, const std::string& format)
{
    // Shared: spdlog's own demand.
    auto sink = std::make_shared<stderr_sink>(format == "json" ? json_log_line : text_log_line);
    auto logger = std::make_shared<spdlog::logger>("", std::move(sink));
    logger->set_level(spdlog::level::from_str(level)); // knows "warn" and "error" as well
    spdlog::set_default_logger(std::move(logger));
}

} // namespace gateway
