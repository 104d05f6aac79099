#include "kd/framing.h"

#include <algorithm>

namespace poolkd::kd {

namespace {

constexpr std::size_t rest_of_header = packet_header_size - 4;

template <class T>
void append(ByteVector& out, T value) {
    const std::size_t at = out.size();
    out.resize(at + sizeof(T));
    store(out, at, value);
}

/// The smallest payload that a data packet of this type can have; nothing for types that are no data packets.
std::optional<std::size_t> least_payload(std::uint16_t type) {
    switch (static_cast<PacketType>(type)) {
    case PacketType::acknowledge:
    case PacketType::resend:
    case PacketType::reset: return std::nullopt;
    case PacketType::state_change_32: return 104;
    case PacketType::manipulate: return manipulate_header_size;
    case PacketType::debug_io: return 12; // old stubs send a shorter header (messages.cpp)
    case PacketType::state_change_64: return state_change_size;
    case PacketType::trace_io: return 16;
    case PacketType::control_request: return control_request_size;
    case PacketType::file_io: return file_io_header_size;
    }
    // A type we do not know is taken (and then dropped) as long as it looks like a small number.
    return type != 0 && type < 0x40 ? std::optional<std::size_t>(0) : std::nullopt;
}

} // namespace

std::uint32_t checksum(Bytes payload) {
    std::uint32_t sum = 0;
    for (std::byte b : payload)
        sum += std::to_integer<std::uint32_t>(b);
    return sum;
}

void append_data_packet(ByteVector& out, PacketType type, std::uint32_t id, Bytes payload) {
    out.reserve(out.size() + packet_header_size + payload.size() + 1);
    append(out, std::uint32_t{0x30303030});
    append(out, static_cast<std::uint16_t>(type));
    append(out, static_cast<std::uint16_t>(payload.size()));
    append(out, id);
    append(out, checksum(payload));
    out.insert(out.end(), payload.begin(), payload.end());
    out.push_back(std::byte{trailer_byte});
}

void append_control_packet(ByteVector& out, PacketType type, std::uint32_t id) {
    append(out, std::uint32_t{0x69696969});
    append(out, static_cast<std::uint16_t>(type));
    append(out, std::uint16_t{0});
    append(out, id);
    append(out, std::uint32_t{0});
}

std::optional<Frame> Deframer::next(Bytes& input) {
    while (!input.empty()) {
        std::optional<Frame> frame;
        switch (state_) {
        case State::hunt: hunt(input); break;
        case State::header: frame = take_header(input); break;
        case State::payload: frame = take_payload(input); break;
        }
        if (frame) return frame;
    }
    return std::nullopt;
}

std::size_t Deframer::outstanding() const {
    switch (state_) {
    case State::hunt: return 0;
    case State::header: return rest_of_header - have_;
    case State::payload: return count_ + 1 - frame_.payload.size();
    }
    return 0;
}

bool Deframer::abandon() {
    const bool was_data = inside() && run_byte_ == data_leader_byte;
    if (inside()) garbage_ += 4 + have_ + frame_.payload.size();
    finish(Frame::Kind::bad);
    return was_data;
}

void Deframer::hunt(Bytes& input) {
    std::size_t used = 0;
    while (used < input.size() && run_ < 4) {
        const auto byte = std::to_integer<std::uint8_t>(input[used++]);
        const bool leader = byte == data_leader_byte || byte == control_leader_byte;
        if (leader && run_ > 0 && byte == run_byte_) {
            ++run_;
            continue;
        }
        garbage_ += run_ + (leader ? 0 : 1);
        run_ = leader ? 1 : 0;
        run_byte_ = leader ? byte : 0;
    }
    input = input.subspan(used);
    if (run_ < 4) return;
    state_ = State::header;
    have_ = 0;
}

std::optional<Frame> Deframer::take_header(Bytes& input) {
    // A run longer than four: the packet's own leader is the last four of it. No packet type begins with such a byte.
    while (have_ == 0 && !input.empty() && std::to_integer<std::uint8_t>(input.front()) == run_byte_) {
        ++garbage_;
        input = input.subspan(1);
    }
    const std::size_t count = std::min(rest_of_header - have_, input.size());
    std::copy_n(input.begin(), count, header_.begin() + static_cast<std::ptrdiff_t>(have_));
    have_ += count;
    input = input.subspan(count);
    if (have_ < rest_of_header) return std::nullopt;

    const bool control = run_byte_ == control_leader_byte;
    if (control ? !plausible_control_header() : !plausible_data_header()) return reject_header();
    frame_.type = static_cast<PacketType>(load_or<std::uint16_t>(header_, 0));
    frame_.id = load_or<std::uint32_t>(header_, 4);
    if (control) return finish(Frame::Kind::control);
    count_ = load_or<std::uint16_t>(header_, 2);
    frame_.payload.reserve(count_ + 1);
    state_ = State::payload;
    return std::nullopt;
}

bool Deframer::plausible_data_header() const {
    const std::optional<std::size_t> least = least_payload(load_or<std::uint16_t>(header_, 0));
    const std::size_t count = load_or<std::uint16_t>(header_, 2);
    // The id is not covered by the checksum; a damaged one must not pass for a restart of the target.
    const std::uint32_t id = load_or<std::uint32_t>(header_, 4);
    return least && count >= *least && count <= max_payload && (id & ~(sync_bit | 1)) == initial_id;
}

bool Deframer::plausible_control_header() const {
    const auto type = static_cast<PacketType>(load_or<std::uint16_t>(header_, 0));
    const bool known = type == PacketType::acknowledge || type == PacketType::resend || type == PacketType::reset;
    return known && load_or<std::uint16_t>(header_, 2) == 0; // the id of a RESET may be junk
}

/// The run of leader bytes stood in the middle of something. A true leader may be among the bytes taken for a header:
/// without a second look a target that repeats one packet could lose its beginning each time.
std::optional<Frame> Deframer::reject_header() {
    const std::array<std::byte, rest_of_header> taken = header_;
    const bool data = run_byte_ == data_leader_byte;
    garbage_ += 4;
    Frame bad = finish(Frame::Kind::bad);
    Bytes again = taken;
    hunt(again);
    if (state_ == State::header) take_header(again); // cannot complete it: some bytes went into the leader
    return data ? std::optional<Frame>(std::move(bad)) : std::nullopt;
}

std::optional<Frame> Deframer::take_payload(Bytes& input) {
    const std::size_t count = std::min(count_ + 1 - frame_.payload.size(), input.size());
    const auto taken = input.first(count);
    frame_.payload.insert(frame_.payload.end(), taken.begin(), taken.end());
    input = input.subspan(count);
    if (frame_.payload.size() < count_ + 1) return std::nullopt;

    const bool trailer_good = frame_.payload.back() == std::byte{trailer_byte};
    frame_.payload.pop_back();
    const bool sum_good = checksum(frame_.payload) == load_or<std::uint32_t>(header_, 8);
    return finish(trailer_good && sum_good ? Frame::Kind::data : Frame::Kind::bad);
}

Frame Deframer::finish(Frame::Kind kind) {
    Frame done = std::move(frame_);
    done.kind = kind;
    if (kind != Frame::Kind::data) done.payload.clear();
    frame_ = Frame{};
    state_ = State::hunt;
    run_ = 0;
    run_byte_ = 0;
    have_ = 0;
    count_ = 0;
    return done;
}

} // namespace poolkd::kd
