// Links by Boost.URL; see link.hpp. Only its non-throwing parse function is used, and views of
// what it parsed.
#include "attentive/link.hpp"

#include "gateway/base/encoding.hpp"
#include "gateway/base/text.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace gateway {
namespace {

std::string_view view_of(boost::urls::string_view text)
{
    return {text.data(), text.size()};
}

// Unreserved and reserved characters of RFC 3986, section 2, but for "#", "[" and "]".
bool is_uri_character(char c)
{
    return is_letter_or_digit(c) ||
           (c != '\0' && std::string_view{"-._~:/?@!$&'()*+,;="}.find(c) != std::string_view::npos);
}

// `link` with every byte percent-encoded that stands where RFC 3986 allows none such: white
// space, quotes, bytes beyond ASCII, a "%" alone, brackets outside the host, a second "#".
std::string illegal_encoded(std::string_view link)
{
    constexpr std::string_view hex = "0123456789ABCDEF";
    const auto scheme_end = link.find("://");
    const auto host_end = scheme_end == std::string_view::npos
                              ? 0
                              : std::min(link.find_first_of("/?#", scheme_end + 3), link.size());
    const auto fragment = link.find('#');
    std::string out;
    out.reserve(link.size() * 3);
    for (std::size_t i = 0; i < link.size(); ++i) {
        const char c = link[i];
        const bool escape = c == '%' && i + 2 < link.size() && hex_value(link[i + 1]) >= 0 &&
                            hex_value(link[i + 2]) >= 0;
        const bool bracket = (c == '[' || c == ']') && i < host_end;
        if (is_uri_character(c) || escape || bracket || i == fragment) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out.append({'%', hex[byte >> 4U], hex[byte & 15U]});
        }
    }
    return out;
}

std::optional<link_parts> parts_of(std::string_view link)
{
    const auto parsed = boost::urls::parse_uri({link.data(), link.size()});
    if (!parsed)
        return std::nullopt;
    const boost::urls::url_view& url = *parsed;
    // Boost 1.81 reads "https://a:b/" as host "a" with path "b/".
    if (url.has_authority() && !url.encoded_path().empty() && !url.encoded_path().starts_with('/'))
        return std::nullopt;
    link_parts parts;
    parts.host = ascii_lower(percent_decoded(view_of(url.encoded_host()), false));
    parts.path = view_of(url.encoded_path());
    for (const auto& parameter : url.encoded_params()) {
        const auto name = ascii_lower(percent_decoded(view_of(parameter.key), true));
        for (std::size_t i = 0; i < utm_names.size(); ++i) {
            if (name == utm_names[i] && parts.utm[i].empty())
                parts.utm[i] = trimmed(percent_decoded(view_of(parameter.value), true));
        }
    }
    return parts;
}

} // namespace

std::optional<link_parts> parse_link(std::string_view link)
{
    if (auto parts = parts_of(link))
        return parts;
    return parts_of(illegal_encoded(link));
}

} // namespace gateway
