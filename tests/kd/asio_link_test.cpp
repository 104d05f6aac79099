#include "kd/link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace poolkd::kd {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A file descriptor of the other end.
class Peer {
  public:
    explicit Peer(int fd) : fd_(fd) {}
    Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Peer& operator=(Peer&&) = delete;
    ~Peer() { close(); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    [[nodiscard]] int fd() const { return fd_; }
    void write(std::string_view text) const {
        ASSERT_EQ(::write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    [[nodiscard]] std::string read() const {
        char buffer[4096];
        const ssize_t count = ::read(fd_, buffer, sizeof buffer);
        return count > 0 ? std::string(buffer, static_cast<std::size_t>(count)) : std::string();
    }

  private:
    int fd_;
};

std::string text(const ByteVector& bytes) {
    std::string out;
    for (std::byte b : bytes)
        out.push_back(static_cast<char>(b));
    return out;
}

ByteVector bytes(std::string_view from) {
    ByteVector out;
    for (char c : from)
        out.push_back(static_cast<std::byte>(c));
    return out;
}

class UnixLinkTest : public testing::Test {
  protected:
    UnixLinkTest() {
        char pattern[] = "/tmp/poolkd-link-XXXXXX";
        folder_ = ::mkdtemp(pattern);
        path = folder_ / "kd.sock";
        listen();
    }
    ~UnixLinkTest() override { std::filesystem::remove_all(folder_); }

    void listen() {
        listener = std::make_unique<Peer>(::socket(AF_UNIX, SOCK_STREAM, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(::bind(listener->fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(::listen(listener->fd(), 1), 0);
    }
    std::unique_ptr<ByteLink> make() { return make_link(*parse_connection_string("unix:" + path.string())); }

    std::filesystem::path folder_;
    std::filesystem::path path;
    std::unique_ptr<Peer> listener;
};

TEST_F(UnixLinkTest, CarriesBytesBothWays) {
    auto link = make();
    ASSERT_TRUE(link->open());
    Peer peer(::accept(listener->fd(), nullptr, nullptr));
    ASSERT_TRUE(link->send(bytes("abc")));
    EXPECT_EQ(peer.read(), "abc");
    ByteVector in;
    ASSERT_TRUE(link->receive(in, 0ms));
    EXPECT_TRUE(in.empty());
    peer.write("hello");
    ASSERT_TRUE(link->receive(in, 1s));
    peer.write(" there");
    ASSERT_TRUE(link->receive(in, 1s));
    EXPECT_EQ(text(in), "hello there");
}

TEST_F(UnixLinkTest, BytesThatComeWhileItSendsAreNotLost) {
    auto link = make();
    ASSERT_TRUE(link->open());
    Peer peer(::accept(listener->fd(), nullptr, nullptr));
    ByteVector in;
    ASSERT_TRUE(link->receive(in, 0ms)); // a read is under way now
    peer.write("an answer");
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(link->send(bytes("x")));
    ASSERT_TRUE(link->receive(in, 1s));
    EXPECT_EQ(text(in), "an answer");
}

TEST_F(UnixLinkTest, WaitsAsLongAsAskedAndNoLonger) {
    auto link = make();
    ASSERT_TRUE(link->open());
    ByteVector in;
    const auto began = Clock::now();
    ASSERT_TRUE(link->receive(in, 30ms));
    EXPECT_GE(Clock::now() - began, 29ms);
    EXPECT_LT(Clock::now() - began, 300ms);
}

TEST_F(UnixLinkTest, AReaderThatSleepsDoesNotBlockUs) {
    auto link = make();
    ASSERT_TRUE(link->open());
    Peer peer(::accept(listener->fd(), nullptr, nullptr));
    const ByteVector much(600'000, std::byte{'x'});
    const auto began = Clock::now();
    ASSERT_TRUE(link->send(much));
    ASSERT_TRUE(link->send(much)); // more than any socket buffer holds
    EXPECT_LT(Clock::now() - began, 500ms);
    std::size_t got = 0;
    ByteVector in;
    while (got < 2 * much.size()) {
        pollfd ready{peer.fd(), POLLIN, 0};
        ASSERT_TRUE(link->receive(in, 0ms));
        if (::poll(&ready, 1, 10) == 1) got += peer.read().size();
        ASSERT_LT(Clock::now() - began, 10s);
    }
    EXPECT_EQ(got, 2 * much.size());
}

TEST_F(UnixLinkTest, TellsWhenTheOtherEndCloses) {
    auto link = make();
    ASSERT_TRUE(link->open());
    Peer peer(::accept(listener->fd(), nullptr, nullptr));
    peer.write("last");
    peer.close();
    ByteVector in;
    ASSERT_TRUE(link->receive(in, 1s));
    EXPECT_EQ(text(in), "last");
    const auto after = link->receive(in, 1s);
    ASSERT_FALSE(after);
    EXPECT_EQ(after.error().kind, ErrorKind::link);
    EXPECT_FALSE(link->send(bytes("x")));
    ASSERT_TRUE(link->open()); // anew
    ASSERT_TRUE(link->send(bytes("x")));
}

TEST_F(UnixLinkTest, NothingThereIsAClearError) {
    const auto opened = make_link(*parse_connection_string("unix:/nonexistent/kd.sock"))->open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::link);
    EXPECT_THAT(opened.error().message, testing::HasSubstr("unix:/nonexistent/kd.sock"));
    EXPECT_EQ(make_link(*parse_connection_string("unix:/" + std::string(200, 'x')))->open().error().kind,
              ErrorKind::usage);
}

TEST(TcpLink, ConnectsAndCarries) {
    Peer listener(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(listener.fd(), 1), 0);
    ASSERT_EQ(::getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    const std::string name = "tcp:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    auto link = make_link(*parse_connection_string(name));
    ASSERT_TRUE(link->open());
    Peer peer(::accept(listener.fd(), nullptr, nullptr));
    ASSERT_TRUE(link->send(bytes("abc")));
    EXPECT_EQ(peer.read(), "abc");
    peer.write("def");
    ByteVector in;
    ASSERT_TRUE(link->receive(in, 1s));
    EXPECT_EQ(text(in), "def");
    listener.close();
    EXPECT_EQ(make_link(*parse_connection_string(name))->open().error().kind, ErrorKind::link);
}

TEST(SerialLink, IsRawOnATerminal) {
    Peer master(::posix_openpt(O_RDWR | O_NOCTTY));
    ASSERT_GE(master.fd(), 0);
    ASSERT_EQ(::grantpt(master.fd()), 0);
    ASSERT_EQ(::unlockpt(master.fd()), 0);
    const std::string device = ::ptsname(master.fd());
    auto link = make_link(*parse_connection_string("com:port=" + device + ",baud=115200"));
    ASSERT_TRUE(link->open());
    const std::string special("\x03\r\n\x11\x13\x00\x7f", 7); // bytes that a cooked terminal would change
    master.write(special);
    ByteVector in;
    while (in.size() < special.size()) {
        const std::size_t before = in.size();
        ASSERT_TRUE(link->receive(in, 1s));
        ASSERT_GT(in.size(), before);
    }
    EXPECT_EQ(text(in), special);
    ASSERT_TRUE(link->send(bytes(special)));
    EXPECT_EQ(master.read(), special);
}

} // namespace
} // namespace poolkd::kd
