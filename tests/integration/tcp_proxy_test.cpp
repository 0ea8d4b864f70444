// The broken network of the fault tests does what it says: or they would prove less than they seem.
#include "support/cluster.hpp"
#include "support/tcp_proxy.hpp"

#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

namespace gateway {
namespace {

using namespace std::chrono_literals;
using test::traffic;

class TcpProxyTest : public testing::Test {
protected:
    // The directory of the shared cluster's socket, which its URL ends with.
    static std::filesystem::path socket_of_cluster()
    {
        const auto url = test::shared_cluster().url();
        return std::filesystem::path{url.substr(url.find("?host=") + 6)} / ".s.PGSQL.5432";
    }

    std::string url(const std::string& database = "gateway") const
    {
        return "postgresql://postgres@127.0.0.1:" + std::to_string(proxy_.port()) + "/" + database +
               "?sslmode=disable&gssencmode=disable";
    }
    static std::string one(pqxx::connection& c)
    {
        return pqxx::nontransaction{c}.exec1("SELECT 1")[0].c_str();
    }

    test::tcp_proxy proxy_{socket_of_cluster()};
};

TEST_F(TcpProxyTest, LetsTrafficFlow)
{
    pqxx::connection connection{url()};

    EXPECT_EQ(one(connection), "1");
}

TEST_F(TcpProxyTest, CutsWhatIsOpenAndRefusesWhatIsNew)
{
    pqxx::connection before{url()};

    proxy_.set(traffic::is_cut);
    EXPECT_THROW(one(before), pqxx::broken_connection);
    EXPECT_THROW(pqxx::connection{url()}, pqxx::broken_connection);

    proxy_.set(traffic::flows);
    pqxx::connection after{url()};
    EXPECT_EQ(one(after), "1");
}

TEST_F(TcpProxyTest, HoldsBackAndThenDeliversWhatStalled)
{
    pqxx::connection connection{url()};
    proxy_.set(traffic::stalls);

    auto answer = std::async(std::launch::async, [&] { return one(connection); });
    EXPECT_EQ(answer.wait_for(300ms), std::future_status::timeout);
    proxy_.set(traffic::flows);

    EXPECT_EQ(answer.get(), "1");
}

TEST_F(TcpProxyTest, LosesRepliesOfWorkThatIsDone)
{
    const std::string direct = test::fresh_database();
    test::query(direct, "CREATE TABLE seen ()");
    pqxx::connection connection{url(test::value(direct, "SELECT current_database()"))};
    proxy_.set(traffic::loses_replies);

    auto done = std::async(std::launch::async, [&] {
        pqxx::nontransaction{connection}.exec("INSERT INTO seen DEFAULT VALUES");
    });
    EXPECT_EQ(done.wait_for(300ms), std::future_status::timeout);
    proxy_.set(traffic::is_cut);

    EXPECT_THROW(done.get(), pqxx::failure);
    EXPECT_EQ(test::value(direct, "SELECT count(*) FROM seen"), "1");
}

} // namespace
} // namespace gateway
