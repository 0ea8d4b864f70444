#include "app/config/rules.hpp"

#include "app/config/faults.hpp"
#include "app/config/units.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace gateway {
namespace {

using fault = std::optional<std::string>;
using std::chrono::milliseconds;

std::string quoted_text(const std::string& value)
{
    return value.empty() ? std::string{} : "\"" + value + "\"";
}

fault wrong_type(const written_value& v, const std::string& expected)
{
    return expected + " is expected, not " + kind_of(v.node);
}

// Reads a value of TOML's type, which `take` puts to its place, or finds fault with.
template <class Value, class Take>
auto reads(const std::string& expected, Take take)
{
    return [=](const written_value& v, config& c) -> fault {
        const auto value = v.node.value_exact<Value>();
        return value ? take(*value, c) : wrong_type(v, expected);
    };
}

// A text that `check` finds nothing wrong with; or a path.
template <class Text, class Check>
auto reads_text(const place<Text>& at, Check check)
{
    return reads<std::string>("text", [=](const std::string& text, config& c) -> fault {
        if (auto wrong = check(text))
            return wrong;
        at(c) = text;
        return std::nullopt;
    });
}

// A number with a unit, which `parse` knows; `put` says whether it is within its bounds.
template <class Parse, class Put>
auto reads_measured(Parse parse, Put put, const char* what, const char* examples)
{
    const auto take = [=](const std::string& text, config& c) -> fault {
        const auto value = parse(text);
        if (!value)
            return fmt::format("\"{}\" is not a {} with a unit, as {}", text, what, examples);
        return put(*value, c) ? fault{} : fmt::format("\"{}\" is out of range", text);
    };
    return reads<std::string>(fmt::format("text with a unit, as {},", examples), take);
}

template <class Duration>
rule span_of(const place<Duration>& at, Duration min, Duration max, const char* granularity)
{
    const auto put = [=](milliseconds value, config& c) {
        const bool fits = value >= min && value <= max && value % Duration{1} == milliseconds{0};
        if (fits)
            at(c) = std::chrono::floor<Duration>(value);
        return fits;
    };
    return {fmt::format("{} to {}{}", duration_text(min), duration_text(max), granularity),
            [at](config c) { return quoted_text(duration_text(at(c))); },
            reads_measured(parse_duration, put, "duration", "\"5s\" or \"250ms\"")};
}

} // namespace

rule rule::text(const place<std::string>& at, const text_form& form)
{
    return {std::string{form.allowed}, [at](config c) { return quoted_text(at(c)); },
            reads_text(at, form.check)};
}

rule rule::path(const place<std::filesystem::path>& at, const char* allowed)
{
    const auto check = [](const std::string& text) -> fault {
        const bool is_none = text.empty() || text.find('\0') != std::string::npos;
        return is_none ? fault{"is no path"} : std::nullopt;
    };
    return {allowed, [at](config c) { return quoted_text(at(c)); }, reads_text(at, check)};
}

rule rule::choice(const place<std::string>& at, const std::vector<std::string>& words)
{
    const auto check = [words](const std::string& word) -> fault {
        const bool is_one = std::find(words.begin(), words.end(), word) != words.end();
        return is_one ? fault{} : "\"" + word + "\" is not one of them";
    };
    const auto last = std::prev(words.end());
    return {fmt::format("{} or {}", fmt::join(words.begin(), last, ", "), *last),
            [at](config c) { return quoted_text(at(c)); }, reads_text(at, check)};
}

rule rule::list(const place<std::vector<std::string>>& at, const text_form& of_each)
{
    const auto read = [=](const written_value& v, config& c) -> fault {
        const toml::array* const list = v.node.as_array();
        if (list == nullptr)
            return wrong_type(v, "a list");
        std::vector<std::string> elements;
        for (const toml::node& element : *list) {
            const auto text = element.value_exact<std::string>();
            if (!text)
                return "holds " + kind_of(element) + " where text is expected";
            if (auto wrong = of_each.check(*text))
                return wrong;
            elements.push_back(*text);
        }
        at(c) = std::move(elements);
        return std::nullopt;
    };
    return {std::string{of_each.allowed}, [at](config c) { return fmt::format("{}", at(c)); },
            read};
}

rule rule::flag(const place<bool>& at)
{
    const auto take = [at](bool flag, config& c) -> fault {
        at(c) = flag;
        return std::nullopt;
    };
    return {"true or false", [at](config c) { return at(c) ? "true" : "false"; },
            reads<bool>("true or false", take)};
}

rule rule::count(const place<std::size_t>& at, std::size_t min, std::size_t max)
{
    const auto take = [=](std::int64_t number, config& c) -> fault {
        if (std::cmp_less(number, min) || std::cmp_greater(number, max))
            return fmt::format("{} is out of range", number);
        at(c) = static_cast<std::size_t>(number);
        return std::nullopt;
    };
    return {fmt::format("{} to {}", min, max), [at](config c) { return std::to_string(at(c)); },
            reads<std::int64_t>("a whole number", take)};
}

rule rule::bytes(const place<std::size_t>& at, std::size_t min, std::size_t max)
{
    const auto put = [=](std::size_t value, config& c) {
        const bool fits = value >= min && value <= max;
        if (fits)
            at(c) = value;
        return fits;
    };
    return {fmt::format("{} to {}", size_text(min), size_text(max)),
            [at](config c) { return quoted_text(size_text(at(c))); },
            reads_measured(parse_size, put, "size", "\"256KiB\" or \"2GB\"")};
}

rule rule::span(const place<milliseconds>& at, milliseconds min, milliseconds max)
{
    return span_of(at, min, max, "");
}

rule rule::span(const place<std::chrono::seconds>& at, std::chrono::seconds min,
                std::chrono::seconds max)
{
    return span_of(at, min, max, ", whole seconds");
}

} // namespace gateway
