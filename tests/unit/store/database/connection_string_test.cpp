// What libpq would refuse of a connection string is told before anybody connects, by its name, and
// without a password.
#include "gateway/store/connection_string.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gateway {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ConnectionStringTest, TakesWhatLibpqTakes)
{
    for (const char* url :
         {"postgresql:///gateway", "postgres://u@h:5432,i:5433,j/db?sslmode=verify-full",
          "postgresql://u@h/db?connect_timeout=3&keepalives=0&tcp_user_timeout=-1",
          "host=a,b port=5432,5433 target_session_attrs=read-write", "host=a port=''", "service=x",
          "postgresql://h/db?options=-c%20geqo%3Doff", "user=u application_name='a b'"})
        EXPECT_EQ(connection_string_fault(url), "") << url;
}

TEST(ConnectionStringTest, NamesAnOptionThatLibpqDoesNotKnow)
{
    EXPECT_THAT(connection_string_fault("postgresql://h/db?sslmod=require"),
                HasSubstr("libpq knows no option \"sslmod\""));
    EXPECT_THAT(connection_string_fault("host=h dbnam=x"),
                HasSubstr("libpq knows no option \"dbnam\""));
}

TEST(ConnectionStringTest, NamesAValueThatTheOptionDoesNotTake)
{
    EXPECT_EQ(connection_string_fault("postgresql://h/db?connect_timeout=abc"),
              "connect_timeout is \"abc\", and has to be a whole number");
    EXPECT_THAT(connection_string_fault("host=h keepalives_idle=1s"), HasSubstr("keepalives_idle"));
    EXPECT_THAT(connection_string_fault("postgresql://h/db?sslmode=requir"),
                HasSubstr("one of disable, allow, prefer, require, verify-ca, verify-full"));
    EXPECT_THAT(connection_string_fault("host=h target_session_attrs=readwrite"),
                HasSubstr("target_session_attrs"));
    for (const char* port : {"5432x", "0", "65536", "5432,x"})
        EXPECT_THAT(connection_string_fault("host=h port=" + std::string{port}),
                    HasSubstr("a number from 1 to 65535"))
            << port;
}

TEST(ConnectionStringTest, QuotesNoPassword)
{
    for (const char* url : {"postgresql://u:hunter2@h:x/db", "postgresql://u:hunter2%zz@h/db",
                            "postgresql://u:hunter2@[::1/db", "host=h password='hunter2",
                            "host=h password hunter2", "postgresql://u:hunter2@h/db?sslmod=x"}) {
        const auto fault = connection_string_fault(url);
        EXPECT_NE(fault, "") << url;
        EXPECT_THAT(fault, Not(HasSubstr("hunter2"))) << url;
    }
}

} // namespace
} // namespace gateway
