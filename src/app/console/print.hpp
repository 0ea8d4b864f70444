// Printing for people: results on standard output, the rest on standard error. A reader who went
// away is no failure of ours, as with printf; fmt::print() would throw.
#pragma once

#include <cstdio>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace gateway {

inline void print_text(const std::string& text)
{
    std::fwrite(text.data(), 1, text.size(), stdout);
}

template <class... Values>
void print_out(fmt::format_string<Values...> format, Values&&... values)
{
    print_text(fmt::format(format, std::forward<Values>(values)...));
}

template <class... Values>
void print_error(fmt::format_string<Values...> format, Values&&... values)
{
    std::fputs(fmt::format(format, std::forward<Values>(values)...).c_str(), stderr);
}

} // namespace gateway
