#include "support/load.hpp"
#include "support/gateway_process.hpp"

namespace gateway::test {

load::load(const std::string& url)
{
    request_.url = url;
    request_.signing_key = gateway_options{}.signing_key;
    request_.types = {"sms.sent"};
    request_.count = 50;
    request_.connections = 4;
    request_.unique = true;
    request_.insecure = true;
    thread_ = std::thread{[this] { send_all(); }};
}

load::~load()
{
    stop();
}

void load::stop()
{
    stopping_ = true;
    if (thread_.joinable())
        thread_.join();
}

void load::send_all()
{
    while (!stopping_) {
        ++request_.seed;
        const auto sent = send(request_);
        if (!sent) {
            ++failed;
            first_failure = sent.error().detail;
            continue;
        }
        const auto found = sent.value().statuses.find(200);
        const auto good = found == sent.value().statuses.end() ? 0 : found->second;
        answered += good;
        failed += request_.count - good;
        for (const auto& [status, times] : sent.value().statuses) {
            if (status != 200 && first_failure.empty())
                first_failure = "status " + std::to_string(status);
        }
        if (first_failure.empty())
            first_failure = sent.value().first_failure;
    }
}

} // namespace gateway::test
