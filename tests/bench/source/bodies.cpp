#include "bodies.hpp"

#include "gateway/attentive/gid.hpp"
#include "gateway/base/digest.hpp"

#include <chrono>
#include <initializer_list>

namespace gateway::bench {
namespace {

constexpr std::uint64_t companies = 20;
constexpr std::uint64_t campaigns = 40; // of each company
constexpr std::uint64_t known_people = 2'000;
constexpr std::uint64_t types = 4;

struct numbers {
    std::uint64_t person, company, campaign, type, serial;
};

numbers numbers_of(load_kind kind, std::uint64_t seed, std::uint64_t n)
{
    const std::uint64_t serial = seed * 10'000'000 + n; // unique over all runs
    switch (kind) {
    case load_kind::new_subscribers:
        return {serial, n % companies, n / companies % campaigns, n / companies % types, serial};
    case load_kind::known_subscribers: {
        const std::uint64_t person = n * 7'919 % known_people; // a prime: all of them, mixed
        return {person, person % companies, n / 31 % campaigns, n / 7 % types, serial};
    }
    case load_kind::burst: break;
    }
    return {serial, 0, 0, 0, serial};
}

void add(std::string& out, std::initializer_list<std::string_view> pieces)
{
    for (const auto piece : pieces)
        out += piece;
}

// What the event is about, as the documented examples have it.
void add_section(std::string& out, const numbers& of)
{
    const std::string serial = std::to_string(of.serial);
    const std::string message = gid_encoded("Message", of.company * campaigns + of.campaign);
    switch (of.type) {
    case 0:
        add(out, {R"("message":{"id":")", message, R"(","type":"ONE_TIME","text":)",
                  R"("Example Shop: the spring sale is on! 20% off everything until Sunday, and )",
                  R"(free shipping with code SPRING20. Shop now: https://example.attn.tv/l/abc/)",
                  serial, R"( Reply STOP to opt out","channel":"TEXT"}})"});
        break;
    case 1:
        add(out, {R"("message_link_click":{"linkTarget":"https://www.example-shop.com/sale/)",
                  R"(spring?utm_medium=text&utm_source=attentive&utm_campaign=spring-sale-2026)",
                  R"(&utm_term=)", serial, R"(","messageId":")", message,
                  R"(","messageType":"AUTOMATED","linkId":")",
                  gid_encoded("MessageLinkClick", of.serial), R"("}})"});
        break;
    case 2:
        add(out, {R"("message":{"id":")", message, R"(","type":"JOURNEY","name":"Journey )",
                  std::to_string(of.campaign), R"(","channel":"EMAIL"}})"});
        break;
    default:
        add(out, {R"("creative":{"name":"Desktop Fullscreen (Email + SMS) - 15% Off",)",
                  R"("type":"DESKTOP","subtype":"DYNAMIC"},)",
                  R"("subscription":{"type":"MARKETING"}})"});
    }
}

std::string body_of(const numbers& of, std::uint64_t millisecond)
{
    constexpr std::string_view names[types] = {"sms.sent", "sms.message_link_click", "email.opened",
                                               "sms.subscribed"};
    const std::string person = std::to_string(of.person);
    const std::string phone = std::to_string(2'060'000'000 + of.person % 7'000'000'000);
    std::string out;
    add(out, {R"({"type":")", names[of.type], R"(","timestamp":)", std::to_string(millisecond),
              R"(,"company":{"display_name":"Example Shop )", std::to_string(of.company),
              R"(","company_id":")", gid_encoded("Company", of.company),
              R"("},"subscriber":{"email":"shopper.)", person, R"(@example-shop.com","phone":"+1)",
              phone, R"(","external_id":)", person, "},"});
    add_section(out, of);
    return out;
}

} // namespace

prepared_requests::prepared_requests(const request_settings& settings)
{
    const hmac_sha256 mac{settings.signing_key};
    const std::string head = "POST " + settings.target +
                             " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                             "x-attentive-hmac-sha256: ";
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto first = static_cast<std::uint64_t>(
                           std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) -
                       settings.count; // the last is of now
    bytes_.reserve(settings.count * 640);
    ends_.reserve(settings.count);
    for (std::uint64_t n = 0; n < settings.count; ++n) {
        const std::string body = body_of(numbers_of(settings.kind, settings.seed, n), first + n);
        add(bytes_, {head, to_hex(mac(body)), "\r\nContent-Length: ", std::to_string(body.size()),
                     "\r\n\r\n", body});
        ends_.push_back(bytes_.size());
    }
}

} // namespace gateway::bench
