// The practice kernel's KD target side over a line that loses, doubles and changes bytes: a debugger that follows the
// rules gets every answer, and every answer is right.
#include "kd_machine.h"

#include <gtest/gtest.h>

#include <random>

namespace lab {
namespace {

constexpr std::uint64_t code = 0xFFFFF80000002000;

class LossyHost {
  public:
    LossyHost(TargetRun& run, unsigned seed) : run_(run), random_(seed) {}

    // The state change that a reset or the start brings.
    bool connect() {
        for (unsigned attempt = 0; attempt < 100; attempt++) {
            transmit(control_frame(KdTypeReset, 0));
            std::vector<Packet> packets = listen();
            for (unsigned i = 0; i < 20; i++) {
                for (const Packet& packet : packets) {
                    if (packet.leader == 0x30 && packet.type == KdTypeStateChange64 && packet.id == KdInitialPacketId) {
                        tx_ = KdInitialPacketId;
                        rx_ = packet.id ^ 1;
                        transmit(control_frame(KdTypeAcknowledge, packet.id));
                        return true;
                    }
                }
                packets = listen();
            }
        }
        return false;
    }

    Bytes request(const Bytes& payload) {
        for (unsigned connection = 0; connection < 200; connection++) {
            bool acknowledged = false;
            for (unsigned attempt = 0; attempt < 8; attempt++) {
                if (!acknowledged) {
                    transmit(data_frame(KdTypeStateManipulate, tx_, payload));
                }
                for (unsigned i = 0; i < 3; i++) {
                    for (const Packet& packet : listen()) {
                        if (packet.leader == 0x69) {
                            acknowledged |= packet.type == KdTypeAcknowledge && packet.id == tx_;
                            continue;
                        }
                        transmit(control_frame(KdTypeAcknowledge, packet.id & ~KdSyncPacketId));
                        if (packet.id == rx_ && packet.type == KdTypeStateManipulate) {
                            rx_ ^= 1;
                            tx_ ^= 1;
                            return packet.payload;
                        }
                    }
                }
            }
            if (!connect()) {
                break;
            }
        }
        ADD_FAILURE() << "no answer";
        return Bytes(KdManipulateSize);
    }

    unsigned damaged = 0;

  private:
    Bytes damage(const Bytes& bytes) {
        std::uniform_int_distribution<int> dice(0, 999);
        Bytes result;
        bool dropping = dice(random_) < 30; // a whole piece is lost
        bool changed = false;
        for (std::uint8_t byte : bytes) {
            int what = dice(random_);
            if (dropping || what == 0) {
                damaged++;
                continue;
            }
            if (what == 1 && !changed) { // two changes can cancel out in a sum of bytes; no receiver could tell
                changed = true;
                byte ^= static_cast<std::uint8_t>(1u << (dice(random_) % 8));
                // A made-up break-in is another test's matter.
                if (byte == 0x62) byte = 0;
                damaged++;
            }
            result.push_back(byte);
        }
        if (dice(random_) < 20) {
            result.insert(result.end(), bytes.begin(), bytes.end());
            damaged++;
        }
        return result;
    }

    void transmit(const Bytes& bytes) { run_.feed(damage(bytes)); }

    std::vector<Packet> listen() {
        run_.pass(310); // a little over the time after which the target repeats
        std::vector<Packet> packets = reader_.take(damage(run_.take_output()));
        if (packets.empty() && ++silent_ % 5 == 0) {
            reader_.pending.clear(); // a packet whose end is lost
        }
        return packets;
    }

    TargetRun& run_;
    std::mt19937 random_;
    FrameReader reader_;
    std::uint32_t tx_ = KdInitialPacketId;
    std::uint32_t rx_ = KdInitialPacketId;
    unsigned silent_ = 0;
};

class KdLossy : public testing::TestWithParam<unsigned> {};

TEST_P(KdLossy, EveryAnswerArrivesAndIsRight) {
    unsigned damaged = 0;
    for (unsigned seed = GetParam() * 20; seed < GetParam() * 20 + 20; seed++) {
        Machine here;
        machine = &here;
        here.map(code);
        here.map(code + 0x1000);
        KdPut64(&here.context[0xF8], code + 0x10);
        start_link();
        TargetRun run([] {
            KD_STOP stop = machine->stop();
            KD_EXCEPTION exception = {0x80000003, 0, 0, code + 0x10, 1, {}};
            KdpReportException(&stop, &exception, true);
        });
        LossyHost host(run, seed);
        ASSERT_TRUE(host.connect()) << "seed " << seed;
        for (std::uint32_t at = 0; at < 0x2000; at += 600) {
            std::uint32_t count = 100 + at % 251;
            Bytes answer = host.request(memory_request(KdApiReadVirtualMemory, code + at, count));
            ASSERT_EQ(KdGet32(answer.data()), KdApiReadVirtualMemory);
            ASSERT_EQ(KdGet64(&answer[16]), code + at) << "seed " << seed;
            ASSERT_EQ(answer.size(), 56u + count);
            for (std::uint32_t i = 0; i < count; i++) {
                ASSERT_EQ(answer[56 + i], here.at(code + at + i)) << "seed " << seed;
            }
        }
        damaged += host.damaged;
    }
    EXPECT_GT(damaged, 100u) << "the line was not bad enough to prove anything";
}

INSTANTIATE_TEST_SUITE_P(Seeds, KdLossy, testing::Range(0u, 10u));

} // namespace
} // namespace lab
