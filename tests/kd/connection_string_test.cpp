#include "kd/connection_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poolkd::kd {
namespace {

using ::testing::HasSubstr;
using Kind = LinkSpec::Kind;

TEST(ConnectionString, Serial) {
    const auto spec = parse_connection_string("com:port=/dev/ttyS0,baud=9600");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->kind, Kind::serial);
    EXPECT_EQ(spec->path, "/dev/ttyS0");
    EXPECT_EQ(spec->baud, 9600u);
    EXPECT_EQ(parse_connection_string("com:port=/dev/ttyUSB0")->baud, 115200u);
}

TEST(ConnectionString, Pipe) {
    const auto spec = parse_connection_string("COM:Pipe,port=/run/vm/kd.sock,resets=0,reconnect");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->kind, Kind::unix_socket);
    EXPECT_EQ(spec->path, "/run/vm/kd.sock");
    EXPECT_FALSE(spec->resets);
    EXPECT_TRUE(spec->reconnect);
    EXPECT_FALSE(parse_connection_string("com:pipe,port=x.sock")->reconnect);
}

TEST(ConnectionString, Tcp) {
    const auto spec = parse_connection_string("com:ipport=5000,port=vmhost,reconnect");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->kind, Kind::tcp);
    EXPECT_EQ(spec->host, "vmhost");
    EXPECT_EQ(spec->port, 5000);
    EXPECT_TRUE(spec->reconnect);
    EXPECT_EQ(parse_connection_string("tcp:127.0.0.1:99")->port, 99);
    EXPECT_EQ(parse_connection_string("tcp:[::1]:99")->host, "::1");
}

TEST(ConnectionString, Unix) {
    EXPECT_EQ(parse_connection_string("unix:/a/b.sock")->path, "/a/b.sock");
    const auto spec = parse_connection_string("unix:rel.sock,reconnect");
    EXPECT_EQ(spec->path, "rel.sock");
    EXPECT_TRUE(spec->reconnect);
}

struct Wrong {
    const char* text;
    ErrorKind kind;
    const char* part; ///< of the message
};

class WrongConnectionString : public testing::TestWithParam<Wrong> {};

TEST_P(WrongConnectionString, IsRefusedWithTheWordAtFault) {
    const auto spec = parse_connection_string(GetParam().text);
    ASSERT_FALSE(spec) << GetParam().text;
    EXPECT_EQ(spec.error().kind, GetParam().kind);
    EXPECT_THAT(spec.error().message, HasSubstr(GetParam().part));
}

INSTANTIATE_TEST_SUITE_P(All, WrongConnectionString,
                         testing::Values(Wrong{"", ErrorKind::usage, "Known forms"},
                                         Wrong{"/dev/ttyS0", ErrorKind::usage, "Known forms"},
                                         Wrong{"foo:bar", ErrorKind::usage, "foo"},
                                         Wrong{"net:port=1,key=1.2.3.4", ErrorKind::unsupported, "net"},
                                         Wrong{"com:baud=9600", ErrorKind::usage, "no port"},
                                         Wrong{"com:port=/dev/ttyS0,baud=fast", ErrorKind::usage, "fast"},
                                         Wrong{"com:port=com1", ErrorKind::usage, "com1"},
                                         Wrong{"com:pipe,port=\\\\.\\pipe\\kd", ErrorKind::unsupported, "unix socket"},
                                         Wrong{"com:pipe,port=x,baud=9600", ErrorKind::usage, "baud"},
                                         Wrong{"com:pipe,ipport=1,port=x", ErrorKind::usage, "both"},
                                         Wrong{"com:pipe,port=x,colour=red", ErrorKind::usage, "colour=red"},
                                         Wrong{"com:ipport=70000,port=h", ErrorKind::usage, "70000"},
                                         Wrong{"tcp:host", ErrorKind::usage, "tcp:HOST:PORT"},
                                         Wrong{"tcp::5", ErrorKind::usage, "tcp:HOST:PORT"},
                                         Wrong{"tcp:h:0", ErrorKind::usage, "'0'"},
                                         Wrong{"unix:", ErrorKind::usage, "unix:PATH"}));

} // namespace
} // namespace poolkd::kd
