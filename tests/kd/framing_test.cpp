#include "kd/framing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace poolkd::kd {
namespace {

using ::testing::SizeIs;

ByteVector hex(std::string_view text) {
    ByteVector out;
    int high = -1;
    for (char c : text) {
        if (c == ' ') continue;
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        if (high < 0) {
            high = digit;
        } else {
            out.push_back(static_cast<std::byte>(high * 16 + digit));
            high = -1;
        }
    }
    return out;
}

std::vector<Frame> all_frames(Deframer& deframer, Bytes bytes, std::size_t step) {
    std::vector<Frame> frames;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        Bytes piece = bytes.subspan(at, std::min(step, bytes.size() - at));
        while (auto frame = deframer.next(piece))
            frames.push_back(std::move(*frame));
    }
    return frames;
}

ByteVector version_request() {
    ByteVector payload(56);
    store(payload, 0, std::uint32_t{0x3146});
    return payload;
}

TEST(Framing, WritesTheReferenceVectors) {
    ByteVector out;
    append_data_packet(out, PacketType::manipulate, initial_id, version_request());
    ByteVector expected = hex("30303030 0200 3800 00008080 77000000 46310000");
    expected.resize(16 + 56);
    expected.push_back(std::byte{0xaa});
    EXPECT_EQ(out, expected);

    out.clear();
    append_control_packet(out, PacketType::acknowledge, initial_id);
    EXPECT_EQ(out, hex("69696969 0400 0000 00008080 00000000"));
    out.clear();
    append_control_packet(out, PacketType::reset, 0);
    EXPECT_EQ(out, hex("69696969 0600 0000 00000000 00000000"));
}

TEST(Framing, ReadsWhatItWroteInPiecesOfEverySize) {
    ByteVector stream = hex("62 30 30 00 69 69 ff");
    append_control_packet(stream, PacketType::acknowledge, initial_id | 1);
    append_data_packet(stream, PacketType::manipulate, initial_id | sync_bit, version_request());
    append_control_packet(stream, PacketType::reset, 0);
    for (std::size_t step = 1; step <= stream.size(); ++step) {
        Deframer deframer;
        const auto frames = all_frames(deframer, stream, step);
        ASSERT_THAT(frames, SizeIs(3)) << "step " << step;
        EXPECT_EQ(frames[0].type, PacketType::acknowledge);
        EXPECT_EQ(frames[0].id, initial_id | 1);
        EXPECT_EQ(frames[1].kind, Frame::Kind::data);
        EXPECT_EQ(frames[1].id, initial_id | sync_bit);
        EXPECT_EQ(frames[1].payload, version_request());
        EXPECT_EQ(frames[2].type, PacketType::reset);
        EXPECT_EQ(deframer.garbage(), 7u);
        EXPECT_FALSE(deframer.inside());
    }
}

TEST(Framing, ALongerRunOfLeaderBytesStillOpensAPacket) {
    ByteVector stream = hex("30 30 30");
    append_data_packet(stream, PacketType::manipulate, initial_id, version_request());
    Deframer deframer;
    const auto frames = all_frames(deframer, stream, 5);
    ASSERT_THAT(frames, SizeIs(1));
    EXPECT_EQ(frames[0].kind, Frame::Kind::data);
}

TEST(Framing, AThreeByteLeaderIsSkippedAndTheNextPacketFound) {
    ByteVector stream;
    append_data_packet(stream, PacketType::manipulate, initial_id, version_request());
    stream.erase(stream.begin());
    append_data_packet(stream, PacketType::manipulate, initial_id, version_request());
    Deframer deframer;
    EXPECT_THAT(all_frames(deframer, stream, 7), SizeIs(1));
}

TEST(Framing, EverySingleBitErrorBehindTheLeaderIsFoundOrHarmless) {
    ByteVector good;
    append_data_packet(good, PacketType::manipulate, initial_id, version_request());
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        ByteVector bad = good;
        bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        bad.resize(bad.size() + max_payload + 32); // what a too large count swallows
        Deframer deframer;
        for (const Frame& frame : all_frames(deframer, bad, bad.size())) {
            if (frame.kind != Frame::Kind::data) continue;
            // The header's type and id are outside the checksum; the payload must be right all the same.
            EXPECT_EQ(frame.payload, version_request()) << "bit " << bit;
            EXPECT_EQ(frame.id & ~(sync_bit | 1), initial_id) << "bit " << bit;
        }
    }
}

TEST(Framing, RefusesSizesOutsideTheProtocol) {
    for (std::string_view header : {"30303030 0200 a10f 00008080 00000000",    // 4001 bytes
                                    "30303030 0200 3700 00008080 00000000",    // shorter than its header struct
                                    "30303030 0600 0000 00008080 00000000",    // a control type behind a data leader
                                    "30303030 0000 0000 00008080 00000000",    // type 0
                                    "30303030 0200 3800 00004080 00000000"}) { // an id that no target uses
        Deframer deframer;
        const auto frames = all_frames(deframer, hex(header), 64);
        ASSERT_THAT(frames, SizeIs(1)) << header;
        EXPECT_EQ(frames[0].kind, Frame::Kind::bad) << header;
    }
}

TEST(Framing, TheLargestPayloadPasses) {
    ByteVector payload(max_payload, std::byte{0x30});
    ByteVector stream;
    append_data_packet(stream, PacketType::manipulate, initial_id, payload);
    EXPECT_EQ(stream.size(), 4017u);
    Deframer deframer;
    const auto frames = all_frames(deframer, stream, 1000);
    ASSERT_THAT(frames, SizeIs(1));
    EXPECT_EQ(frames[0].payload, payload);
}

TEST(Framing, LeaderBytesInsideALostPacketDoNotSwallowTheNext) {
    // What is left of a packet looks like the beginning of one. The target repeats it again and again.
    for (std::string_view rest : {"69696969", "69696969 000000", "30303030 ffff", "69696969 0400 0100 69696969 30"}) {
        for (std::size_t step : {1u, 5u, 500u}) {
            ByteVector stream = hex(rest);
            append_data_packet(stream, PacketType::manipulate, initial_id, version_request());
            Deframer deframer;
            std::size_t good = 0;
            for (const Frame& frame : all_frames(deframer, stream, step))
                good += frame.kind == Frame::Kind::data ? 1 : 0;
            EXPECT_EQ(good, 1u) << rest;
        }
    }
}

TEST(Framing, AnAbandonedPacketIsForgotten) {
    ByteVector stream;
    append_data_packet(stream, PacketType::manipulate, initial_id, version_request());
    Deframer deframer;
    Bytes half = Bytes(stream).first(40);
    EXPECT_FALSE(deframer.next(half));
    EXPECT_TRUE(deframer.inside());
    EXPECT_EQ(deframer.outstanding(), stream.size() - 40);
    EXPECT_TRUE(deframer.abandon());
    EXPECT_FALSE(deframer.inside());
    EXPECT_THAT(all_frames(deframer, stream, 64), SizeIs(1));
}

} // namespace
} // namespace poolkd::kd
