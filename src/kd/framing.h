#pragma once

#include "base/bytes.h"
#include "kd/wire.h"

#include <array>
#include <cstdint>
#include <optional>

namespace poolkd::kd {

/// One thing found in the byte stream.
struct Frame {
    enum class Kind {
        data,    ///< a data packet with good length, checksum and trailer
        control, ///< ACK, RESEND or RESET; no payload
        bad,     ///< a data packet that must be asked for again
    };
    Kind kind = Kind::bad;
    PacketType type{};
    std::uint32_t id = 0; ///< as sent, SYNC included
    ByteVector payload;
};

/// The 32-bit wrapping sum of bytes that data packets carry.
[[nodiscard]] std::uint32_t checksum(Bytes payload);

/// Appends a whole data packet, trailer included. `payload` has at most `max_payload` bytes.
void append_data_packet(ByteVector& out, PacketType type, std::uint32_t id, Bytes payload);

/// Appends a control packet. RESEND and RESET travel with id 0: a target that hunts through a RESEND's tail must not
/// find a leader or a break-in byte there.
void append_control_packet(ByteVector& out, PacketType type, std::uint32_t id);

/// Cuts a byte stream into frames, skipping what lies between. Holds at most one packet; needs no clock: whoever
/// feeds it calls `abandon` when a packet stays incomplete too long.
class Deframer {
  public:
    /// Consumes bytes from the front of `input` up to the end of the next frame. Nothing: all input was consumed.
    std::optional<Frame> next(Bytes& input);

    /// True when a leader was seen and the packet is not complete.
    [[nodiscard]] bool inside() const { return state_ != State::hunt; }
    /// Bytes of the incomplete packet that are still to come (0 outside one).
    [[nodiscard]] std::size_t outstanding() const;
    /// Gives up the incomplete packet. True when it was a data packet (which is then worth asking for again).
    bool abandon();

    /// Bytes skipped outside packets.
    [[nodiscard]] std::uint64_t garbage() const { return garbage_; }

  private:
    enum class State { hunt, header, payload };

    void hunt(Bytes& input);
    std::optional<Frame> take_header(Bytes& input);
    std::optional<Frame> take_payload(Bytes& input);
    [[nodiscard]] bool plausible_data_header() const;
    [[nodiscard]] bool plausible_control_header() const;
    std::optional<Frame> reject_header();
    Frame finish(Frame::Kind kind);

    State state_ = State::hunt;
    std::uint8_t run_byte_ = 0; ///< the leader byte of the current run
    unsigned run_ = 0;
    std::array<std::byte, packet_header_size - 4> header_{}; ///< what follows the leader
    std::size_t have_ = 0;
    std::size_t count_ = 0;
    Frame frame_;
    std::uint64_t garbage_ = 0;
};

} // namespace poolkd::kd
