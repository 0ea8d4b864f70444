// What a request costs the sender in CPU time, against the real listener answering at once: the
// sender is the load source of every other figure, so its own share has to be known.
#include "gateway/client/sender.hpp"
#include "gateway/listener/listener.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <thread>

namespace {

using namespace gateway;

double cpu_seconds()
{
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void store_nothing(delivery, const completion& done)
{
    done(receipt{disposition::stored, {}, {}});
}

void measure(const char* name, send_request request)
{
    const double before = cpu_seconds();
    const auto report = send(request);
    const double used = cpu_seconds() - before;
    if (!report) {
        std::printf("%-28s %s\n", name, report.error().detail.c_str());
        return;
    }
    const auto count = static_cast<double>(request.count);
    std::printf("%-28s %6.1f us/request, %6.0f requests/s, p50 %lld us, p99 %lld us, %llu failed\n",
                name, used * 1e6 / count,
                count / std::chrono::duration<double>(report.value().elapsed).count(),
                static_cast<long long>(report.value().p50.count()),
                static_cast<long long>(report.value().p99.count()),
                static_cast<unsigned long long>(report.value().failures));
}

} // namespace

int main(int argc, char** argv)
{
    const std::filesystem::path directory = std::filesystem::temp_directory_path();
    const auto certificate = directory / "sender_bench.pem";
    const auto key = directory / "sender_bench.key";
    const auto made = make_self_signed_certificate();
    std::ofstream{certificate} << made.certificate;
    std::ofstream{key} << made.private_key;
    boost::asio::io_context io{1};
    auto acceptor = open_acceptor(io, "127.0.0.1:0").value();
    const auto port = acceptor.local_endpoint().port();
    listener_settings settings;
    settings.tls = load_tls_context(certificate, key).value();
    settings.routes = {{"/hook", "bench", "x-attentive-hmac-sha256", store_nothing}};
    settings.healthy = [] { return true; };
    listener server{std::move(acceptor), settings};
    server.start();
    std::thread thread{[&io] { io.run(); }};

    send_request request;
    request.url = "https://localhost:" + std::to_string(port) + "/hook";
    request.ca_file = certificate;
    request.signing_key = "a-signing-key-of-the-bench";
    request.types = {"sms.sent", "email.opened", "sms.message_link_click"};
    request.connections = 64;
    request.count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
    measure("same bodies", request);
    request.unique = true;
    measure("unique bodies", request);
    request.journal = directory / "sender_bench.jsonl";
    measure("unique bodies, journal", request);

    io.stop(); // the process ends: nothing to drain
    thread.join();
    for (const auto& file : {certificate, key, *request.journal})
        std::filesystem::remove(file);
}
