#include "chaos/witness.hpp"

#include "support/tls_client.hpp"

#include <pqxx/pqxx>

#include <algorithm>
#include <stdexcept>

namespace gateway::chaos {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

constexpr auto asking_pause = 250ms;
constexpr auto counting_pause = 500ms;
constexpr auto answer_limit = 2s;

moment wall_clock()
{
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

// Throws std::runtime_error when there is no answer.
test::reply get(std::uint16_t port, bool tls, const std::string& path)
{
    test::client_options options;
    options.port = port;
    options.tls = tls;
    options.timeout = answer_limit;
    test::tls_client client{options};
    client.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    auto answer = client.read_reply();
    if (!answer)
        throw std::runtime_error{"no answer"};
    return std::move(*answer);
}

bool is_one(const std::string& metrics, const std::string& name)
{
    return metrics.find("\nattentive_gateway_" + name + " 1\n") != std::string::npos;
}

observation ask(std::size_t number, const gateway_daemon& daemon)
{
    observation o;
    o.during.from = wall_clock();
    o.daemon = number;
    o.age = daemon.age();
    o.healthy = get(daemon.port(), true, "/healthz").status == 200;
    o.ready = get(daemon.admin_port(), false, "/readyz").status == 200;
    const auto metrics = get(daemon.admin_port(), false, "/metrics").body;
    o.database_up = is_one(metrics, "database_up");
    o.database_taking_events = is_one(metrics, "database_taking_events");
    o.says_ready = is_one(metrics, "ready");
    o.during.to = wall_clock();
    return o;
}

} // namespace

witness::witness(const std::vector<std::unique_ptr<gateway_daemon>>& daemons,
                 std::string database_url)
    : daemons_(daemons), database_url_(std::move(database_url)), asking_([this] { ask_daemons(); }),
      counting_([this] { count_sessions(); })
{
}

witness::~witness()
{
    stop();
}

void witness::stop()
{
    stopping_ = true;
    for (auto* const each : {&asking_, &counting_}) {
        if (each->joinable())
            each->join();
    }
}

void witness::ask_daemons()
{
    while (!stopping_) {
        for (std::size_t i = 0; i < daemons_.size(); ++i) {
            try {
                observations_.push_back(ask(i, *daemons_[i]));
            } catch (const std::exception&) { // it is dead just now, or dies
            }
        }
        std::this_thread::sleep_for(asking_pause);
    }
}

void witness::count_sessions()
{
    std::unique_ptr<pqxx::connection> connection;
    while (!stopping_) {
        std::this_thread::sleep_for(counting_pause);
        try {
            if (connection == nullptr)
                connection = std::make_unique<pqxx::connection>(database_url_);
            const auto row = pqxx::nontransaction{*connection}.exec1(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name LIKE 'attentive-gateway%'");
            counts_.push_back({wall_clock(), row[0].as<std::size_t>()});
        } catch (const std::exception&) { // the server is down, or goes down
            connection.reset();
        }
    }
}

std::size_t witness::sessions_for(milliseconds lasting) const
{
    std::size_t most = 0;
    for (auto first = counts_.begin(); first != counts_.end(); ++first) {
        std::size_t least = first->sessions;
        for (auto each = first; each != counts_.end(); ++each) {
            least = std::min(least, each->sessions);
            if (each->at - first->at < lasting)
                continue;
            most = std::max(most, least);
            break;
        }
    }
    return most;
}

} // namespace gateway::chaos
