#include "kd/link.h"

#include <asio.hpp>

#include <array>
#include <optional>

namespace poolkd::kd {

namespace {

using asio::ip::tcp;
using Unix = asio::local::stream_protocol;

constexpr std::size_t most_unsent = 1u << 20;
constexpr std::chrono::milliseconds open_limit{2000};

/// A link over any Asio stream: one read is always under way, so that waiting can end at any time without losing
/// bytes; writes that the carrier does not take at once go on in the background of later calls.
template <class Stream>
class AsioLink : public ByteLink {
  public:
    explicit AsioLink(LinkSpec spec) : spec_(std::move(spec)) {}

    Result<void> open() final {
        close();
        state_.emplace();
        if (auto opened = open_stream(state_->io, state_->stream); !opened) {
            state_.reset();
            return opened;
        }
        return {};
    }

    Result<void> send(Bytes bytes) final {
        POOLKD_CHECK(check());
        State& s = *state_;
        if (s.unsent.size() + bytes.size() > most_unsent)
            return fail(ErrorKind::link, "The target takes no bytes any more ({}).", spec_.text);
        s.unsent.insert(s.unsent.end(), bytes.begin(), bytes.end());
        if (!s.writing) start_write();
        s.io.poll(); // completes the write that the carrier took at once
        return check();
    }

    Result<void> receive(ByteVector& out, std::chrono::milliseconds limit) final {
        POOLKD_CHECK(check());
        State& s = *state_;
        // The read may have ended while we sent: its bytes come first.
        if (!s.reading && s.received == 0) start_read();
        const auto end = std::chrono::steady_clock::now() + limit;
        while (s.reading && !s.error) {
            const auto left = end - std::chrono::steady_clock::now();
            s.io.restart();
            // Asio does not look at the carrier at all when it is given no time.
            const std::size_t ran = left <= left.zero() ? s.io.poll_one() : s.io.run_one_for(left);
            if (ran == 0) break; // out of time
        }
        // Bytes that came before the end of the stream are still delivered.
        if (!s.reading && s.received > 0) {
            out.insert(out.end(), s.buffer.begin(), s.buffer.begin() + static_cast<std::ptrdiff_t>(s.received));
            s.received = 0;
            if (!s.error) start_read();
            return {};
        }
        return check();
    }

    void close() final { state_.reset(); }

  protected:
    [[nodiscard]] const LinkSpec& spec() const { return spec_; }
    virtual Result<void> open_stream(asio::io_context& io, Stream& stream) = 0;

    [[nodiscard]] std::unexpected<Error> cannot_open(const asio::error_code& error) const {
        return fail(ErrorKind::link, "Cannot open {}: {}.", spec_.text, error.message());
    }

  private:
    struct State {
        asio::io_context io{1};
        Stream stream{io};
        std::array<std::byte, 65536> buffer{};
        std::size_t received = 0;
        bool reading = false;
        bool writing = false;
        ByteVector unsent;
        ByteVector in_flight;
        asio::error_code error;
    };

    Result<void> check() const {
        if (!state_) return fail(ErrorKind::link, "The connection {} is not open.", spec_.text);
        if (!state_->error) return {};
        if (state_->error == asio::error::eof)
            return fail(ErrorKind::link, "The other end closed the connection {}.", spec_.text);
        return fail(ErrorKind::link, "The connection {} broke: {}.", spec_.text, state_->error.message());
    }

    void start_read() {
        State& s = *state_;
        s.reading = true;
        s.stream.async_read_some(asio::buffer(s.buffer), [&s](const asio::error_code& error, std::size_t count) {
            s.reading = false;
            s.received = count;
            if (error) s.error = error;
        });
    }

    void start_write() {
        State& s = *state_;
        s.in_flight.clear();
        s.in_flight.swap(s.unsent);
        s.writing = true;
        s.io.restart();
        asio::async_write(s.stream, asio::buffer(s.in_flight), [this, &s](const asio::error_code& error, std::size_t) {
            s.writing = false;
            if (error) {
                s.error = error;
            } else if (!s.unsent.empty()) {
                start_write();
            }
        });
    }

    LinkSpec spec_;
    std::optional<State> state_;
};

class UnixLink final : public AsioLink<Unix::socket> {
  public:
    using AsioLink::AsioLink;

  private:
    Result<void> open_stream(asio::io_context&, Unix::socket& socket) override {
        if (spec().path.size() >= sizeof(sockaddr_un{}.sun_path))
            return fail(ErrorKind::usage, "The socket path {} is too long for Linux ({} characters at most).",
                        spec().path, sizeof(sockaddr_un{}.sun_path) - 1);
        asio::error_code error;
        socket.connect(Unix::endpoint(spec().path), error);
        if (error) return cannot_open(error);
        return {};
    }
};

class TcpLink final : public AsioLink<tcp::socket> {
  public:
    using AsioLink::AsioLink;

  private:
    Result<void> open_stream(asio::io_context& io, tcp::socket& socket) override {
        asio::error_code error;
        tcp::resolver resolver(io);
        const auto endpoints = resolver.resolve(spec().host, std::to_string(spec().port), error);
        if (error) return cannot_open(error);
        std::optional<asio::error_code> result;
        asio::async_connect(socket, endpoints,
                            [&result](const asio::error_code& e, const tcp::endpoint&) { result = e; });
        io.restart();
        io.run_for(open_limit);
        if (!result) {
            socket.close(error);
            io.run();
            return fail(ErrorKind::link, "Cannot open {}: no answer.", spec().text);
        }
        if (*result) return cannot_open(*result);
        // Requests are small and wait for replies: never hold one back.
        socket.set_option(tcp::no_delay(true), error);
        return {};
    }
};

class SerialLink final : public AsioLink<asio::serial_port> {
  public:
    using AsioLink::AsioLink;

  private:
    Result<void> open_stream(asio::io_context&, asio::serial_port& port) override {
        asio::error_code error;
        port.open(spec().path, error);
        if (error) return cannot_open(error);
        using Port = asio::serial_port_base;
        port.set_option(Port::baud_rate(spec().baud), error);
        if (error)
            return fail(ErrorKind::link, "{} does not take {} baud: {}.", spec().path, spec().baud, error.message());
        port.set_option(Port::character_size(8), error);
        port.set_option(Port::parity(Port::parity::none), error);
        port.set_option(Port::stop_bits(Port::stop_bits::one), error);
        port.set_option(Port::flow_control(Port::flow_control::none), error);
        if (error) return cannot_open(error);
        return {};
    }
};

} // namespace

std::unique_ptr<ByteLink> make_link(const LinkSpec& spec) {
    switch (spec.kind) {
    case LinkSpec::Kind::serial: return std::make_unique<SerialLink>(spec);
    case LinkSpec::Kind::tcp: return std::make_unique<TcpLink>(spec);
    case LinkSpec::Kind::unix_socket: break;
    }
    return std::make_unique<UnixLink>(spec);
}

} // namespace poolkd::kd
