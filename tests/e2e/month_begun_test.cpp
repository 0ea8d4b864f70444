// A month and a day that begin while a pg_dump reads: their partitions cannot be made, a million
// rows of each table wait in DEFAULT, and leave it afterwards. Senders notice none of it. Takes
// minutes and a quiet machine, so `./scripts/test nightly` runs it alone (CMakeLists.txt).
#include "gateway/client/sender.hpp"
#include "support/gateway_process.hpp"
#include "support/waiting.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <cstdio>

namespace gateway {
namespace {

using namespace std::chrono_literals;

constexpr double rate = 300;

// Rows of this month in the log, counted long ago, and of today in the intake, applied.
constexpr const char* fill = R"(
    INSERT INTO gateway.source_event (company_id, occurred_at, event_id, event_name, action, source,
        source_event_type, received_at, position, mapping_version, quality_flags)
    SELECT 'c', date_trunc('month', now(), 'UTC') + n * interval '10 ms', gen_random_uuid(),
        'sms.sent', 'sent', 'attentive', 'sms.sent', now(), 0, 1, '{}'
    FROM generate_series(1, 1000000) n;
    INSERT INTO gateway.intake (writer, endpoint, key_id, received_at, lengths, bodies)
    SELECT 'filled', 'attentive', 'e2e', ARRAY[now()], '{300}', convert_to(repeat('x', 300), 'UTF8')
    FROM generate_series(1, 1000000);
    ANALYZE gateway.source_event, gateway.intake)";

// As if the time that a table has a partition for had begun just now.
std::string begin(const std::string& table)
{
    return "DO $$ DECLARE v_name text := name FROM gateway.partition_of('" + table +
           "', now()); BEGIN"
           " LOCK TABLE gateway." +
           table + ", gateway." + table +
           "_default IN ACCESS EXCLUSIVE MODE;"
           " ALTER TABLE gateway." +
           table + " DETACH PARTITION gateway." + table +
           "_default;"
           " DROP TABLE gateway." +
           table +
           "_default;"
           " EXECUTE format('ALTER TABLE gateway." +
           table +
           " DETACH PARTITION gateway.%I', v_name);"
           " EXECUTE format('ALTER TABLE gateway.%I RENAME TO " +
           table +
           "_default', v_name);"
           " ALTER TABLE gateway." +
           table + " ATTACH PARTITION gateway." + table + "_default DEFAULT; END $$;";
}

class MonthBegunTest : public testing::Test {
protected:
    send_report send_for(std::chrono::seconds time, const char* when)
    {
        send_request request;
        request.url = gateway_.url();
        request.signing_key = test::gateway_options{}.signing_key;
        request.types = {"sms.sent"};
        request.count = static_cast<std::uint64_t>(rate) * static_cast<std::uint64_t>(time.count());
        request.rate = rate;
        request.connections = 16;
        request.unique = true;
        request.seed = ++seed_;
        request.insecure = true;
        auto sent = send(request).value();
        acknowledged_ += sent.statuses[200];
        EXPECT_EQ(sent.statuses[200], request.count) << when;
        std::printf("%-7s p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms\n", when,
                    static_cast<double>(sent.p50.count()) / 1e3,
                    static_cast<double>(sent.p99.count()) / 1e3,
                    static_cast<double>(sent.p999.count()) / 1e3,
                    static_cast<double>(sent.max.count()) / 1e3);
        std::fflush(stdout);
        return sent;
    }

    // A pg_dump whose reader is slow, as one behind a network is.
    static std::vector<std::string> slow_dump(const std::string& url)
    {
        return {"bash", "-c",
                "set -o pipefail; pg_dump -d \"$1\" |"
                " while [ \"$(head -c 8000000 | wc -c)\" -gt 0 ]; do sleep 0.4; done",
                "bash", url};
    }

    std::string rows_in_default() const
    {
        return gateway_.value("SELECT (SELECT count(*) FROM gateway.source_event_default) || ' ' ||"
                              " (SELECT count(*) FROM gateway.intake_default)");
    }

    test::gateway_process gateway_;
    std::uint64_t seed_ = 0;
    std::uint64_t acknowledged_ = 0;
};

TEST_F(MonthBegunTest, DISABLED_AMillionRowsLeaveDefaultAndNobodyWaitsLonger)
{
    pqxx::connection connection{gateway_.database_url()};
    pqxx::nontransaction{connection}.exec(fill);
    const auto before = send_for(20s, "before");

    std::optional<test::process> dump;
    {
        pqxx::work reading{connection}; // until the dump has its locks: no step is to come between
        reading.exec(begin("source_event") + begin("intake"));
        reading.commit();
        pqxx::work held{connection};
        held.exec("SELECT FROM gateway.source_event, gateway.intake LIMIT 1");
        gateway_.restart(); // it has not seen this month before
        dump.emplace(slow_dump(gateway_.database_url()));
        std::this_thread::sleep_for(3s);
    }
    const auto during = send_for(20s, "during");
    EXPECT_FALSE(dump->wait(0ms)) << "the dump was over before";
    EXPECT_NE(rows_in_default().substr(0, 7), "0");
    EXPECT_EQ(dump->wait(5min), 0);
    const auto after = send_for(150s, "after");

    EXPECT_LE(during.p99, 2 * before.p99);
    EXPECT_LE(after.p99, 2 * before.p99);
    EXPECT_TRUE(test::becomes([&] { return rows_in_default() == "0 0"; }, 2min))
        << rows_in_default();
    EXPECT_EQ(gateway_.value("SELECT count(*) FROM gateway.source_event e"
                             " WHERE e.tableoid::regclass::text <> 'gateway.source_event_' ||"
                             " to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY_MM')"),
              "0");
    EXPECT_EQ(gateway_.value("SELECT count(*) FROM gateway.source_event"),
              std::to_string(1'000'000 + acknowledged_));
}

} // namespace
} // namespace gateway
