// Framing, ids, acknowledgement, time-outs, resends and resets of the practice kernel's KD target side.
#include "kd_machine.h"

#include <gmock/gmock.h>

#include <string_view>

namespace lab {
namespace {

class KdLink : public testing::Test {
  protected:
    KdLink() {
        machine = &machine_;
        machine_.map(0xFFFFF80000002000);
        KdPut64(&machine_.context[0xF8], 0xFFFFF80000002010);
        start_link();
    }

    static void print(std::string_view text) {
        KD_STOP stop = machine->stop();
        KdpSendPrint(&stop, text.data(), static_cast<std::uint32_t>(text.size()));
    }

    static KD_CONTINUE stop_machine() {
        KD_STOP stop = machine->stop();
        KD_EXCEPTION exception = {0x80000003, 0, 0, 0xFFFFF80000002010, 1, {}};
        return KdpReportException(&stop, &exception, true);
    }

    static Bytes ack(std::uint32_t id) { return control_frame(KdTypeAcknowledge, id); }

    Machine machine_;
};

TEST_F(KdLink, FirstPrintCarriesSyncAndTheFollowingAlternate) {
    TargetRun run([] {
        print("Hi");
        print("there");
        print("!");
    });
    Bytes bytes = run.take_output();
    const Bytes expected = {0x30, 0x30, 0x30, 0x30, 3, 0, 18, 0, 0x00, 0x08, 0x80, 0x80, 0x09, 1, 0,   0,   0x30, 0x32,
                            0,    0,    6,    0,    0, 0, 2,  0, 0,    0,    0,    0,    0,    0, 'H', 'i', 0xAA};
    // The checksum is the plain sum of the payload bytes.
    std::uint32_t sum = 0x30 + 0x32 + 6 + 2 + 'H' + 'i';
    EXPECT_EQ(KdGet32(&bytes[12]), sum);
    Bytes with_sum = expected;
    KdPut32(&with_sum[12], sum);
    EXPECT_EQ(bytes, with_sum);
    run.feed(ack(0x80800000)); // without the SYNC bit, as the rule is
    EXPECT_EQ(run.take().at(0).id, 0x80800001u);
    run.feed(ack(0x80800001));
    EXPECT_EQ(run.take().at(0).id, 0x80800000u);
    run.feed(ack(0x80800000));
    EXPECT_TRUE(run.finished());
    EXPECT_EQ(KdDebuggerNotPresent, 0);
}

TEST_F(KdLink, UnansweredPrintIsGivenUpAfterTwentySends) {
    TargetRun run([] {
        print("one");
        print("two");
        stop_machine();
    });
    run.pass(20 * (KdpAckTimeout + 1));
    std::vector<Packet> packets = run.take();
    ASSERT_EQ(packets.size(), 21u);
    for (unsigned i = 0; i < 20; i++) {
        EXPECT_EQ(packets[i].type, KdTypeDebugIo);
        EXPECT_EQ(packets[i].id, 0x80800800u);
    }
    EXPECT_EQ(KdDebuggerNotPresent, 1);
    // "two" is not sent at all; the stop is, and never given up.
    EXPECT_EQ(packets[20].type, KdTypeStateChange64);
    EXPECT_EQ(packets[20].id, 0x80800800u);
    run.pass(60 * (KdpAckTimeout + 1));
    EXPECT_GE(run.take().size(), 60u);
    EXPECT_FALSE(run.finished());
    run.feed(ack(0x80800000));
    EXPECT_EQ(KdDebuggerNotPresent, 0) << "a leader that arrives makes the debugger present again";
}

TEST_F(KdLink, AfterGivingUpAnEstablishedLinkStartsAgainWithSync) {
    TargetRun run([] {
        print("one");
        print("two");
        stop_machine();
    });
    run.feed(ack(0x80800000));
    run.take();
    run.pass(20 * 1000);
    Packet last = run.take().back();
    EXPECT_EQ(last.type, KdTypeStateChange64);
    EXPECT_EQ(last.id, 0x80800800u);
}

TEST_F(KdLink, ResendRequestRepeatsTheSameIdAndIsNoRetry) {
    TargetRun run([] { print("Hi"); });
    run.take();
    for (int i = 0; i < 50; i++) {
        run.feed(control_frame(KdTypeResend, 0));
        std::vector<Packet> packets = run.take();
        ASSERT_EQ(packets.size(), 1u);
        EXPECT_EQ(packets[0].id, 0x80800800u);
    }
    EXPECT_EQ(KdDebuggerNotPresent, 0);
    run.feed(ack(0x80800000));
    EXPECT_TRUE(run.finished());
}

TEST_F(KdLink, AcknowledgementOfAnotherIdIsIgnored) {
    TargetRun run([] { print("Hi"); });
    run.feed(ack(0x80800001));
    EXPECT_FALSE(run.finished());
    run.feed(ack(0x80800000));
    EXPECT_TRUE(run.finished());
}

TEST_F(KdLink, ResetWhileWaitingForAcknowledgementRestartsIdsAndRepeats) {
    TargetRun run([] {
        print("one");
        print("two");
    });
    run.feed(ack(0x80800000));
    run.take(); // "two" with 80800001
    run.feed(control_frame(KdTypeReset, 0x0005F863));
    std::vector<Packet> packets = run.take();
    ASSERT_EQ(packets.size(), 2u);
    EXPECT_EQ(packets[0].type, KdTypeReset);
    EXPECT_EQ(packets[0].leader, 0x69);
    EXPECT_EQ(packets[1].type, KdTypeDebugIo);
    EXPECT_EQ(packets[1].id, 0x80800000u);
    run.feed(ack(0x80800000));
    EXPECT_TRUE(run.finished());
}

TEST_F(KdLink, ResetWhileStoppedRepeatsThePendingStop) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    EXPECT_EQ(host.receive().id, 0x80800800u);
    host.request(request(KdApiGetVersion));
    run.feed(control_frame(KdTypeReset, 0));
    std::vector<Packet> packets = run.take();
    ASSERT_EQ(packets.size(), 2u);
    EXPECT_EQ(packets[0].type, KdTypeReset);
    EXPECT_EQ(packets[1].type, KdTypeStateChange64);
    EXPECT_EQ(packets[1].id, 0x80800000u);
    run.feed(ack(0x80800000));
    host.id = KdInitialPacketId;
    EXPECT_EQ(KdGet16(&host.request(request(KdApiGetVersion))[24]), 0x8664);
    host.go_on();
    EXPECT_TRUE(run.finished());
}

TEST_F(KdLink, RepeatedRequestIsAcknowledgedButServedOnce) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    host.receive();
    Bytes version = request(KdApiGetVersion);
    host.request(version);
    run.feed(data_frame(KdTypeStateManipulate, 0x80800000, version));
    std::vector<Packet> packets = run.take();
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_EQ(packets[0].type, KdTypeAcknowledge);
    EXPECT_EQ(packets[0].id, 0x80800000u);
    host.request(version);
}

struct Damage {
    const char* name;
    std::function<void(Bytes&)> apply;
};

class KdLinkDamage : public KdLink, public testing::WithParamInterface<Damage> {};

TEST_P(KdLinkDamage, IsAnsweredByResendAndTheRepetitionIsServed) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    host.receive();
    Bytes version = request(KdApiGetVersion);
    Bytes frame = data_frame(KdTypeStateManipulate, 0x80800000, version);
    GetParam().apply(frame);
    run.feed(frame);
    run.pass(KdpByteTimeout + 1);
    const Bytes resend = {0x69, 0x69, 0x69, 0x69, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(run.take_output(), resend) << "with zeros only, so that what follows its type is never misread";
    EXPECT_EQ(KdGet16(&host.request(version)[24]), 0x8664);
}

INSTANTIATE_TEST_SUITE_P(All, KdLinkDamage,
                         testing::Values(Damage{"Checksum", [](Bytes& f) { f[12]++; }},
                                         Damage{"Payload", [](Bytes& f) { f[30] ^= 1; }},
                                         Damage{"Trailer", [](Bytes& f) { f.back() = 0xAB; }},
                                         Damage{"TooLong", [](Bytes& f) { KdPut16(&f[6], 4001); }},
                                         Damage{"TooShort", [](Bytes& f) { KdPut16(&f[6], 55); }},
                                         Damage{"CutInHeader", [](Bytes& f) { f.resize(9); }},
                                         Damage{"CutInPayload", [](Bytes& f) { f.resize(40); }}),
                         [](const auto& param) { return param.param.name; });

TEST_F(KdLink, LargestPacketIsTaken) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    host.receive();
    Bytes answer = host.request(memory_request(KdApiWriteVirtualMemory, 0xFFFFF80000002000, 3944, Bytes(3944, 0x30)));
    EXPECT_EQ(KdGet32(&answer[8]), 0u);
    EXPECT_EQ(KdGet32(&answer[28]), 3944u);
    EXPECT_EQ(machine_.at(0xFFFFF80000002000 + 3943), 0x30);
}

TEST_F(KdLink, NoiseBetweenPacketsAndALeaderInPiecesAreBorne) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    host.receive();
    const Bytes noise = {0x00, 0x69, 0x69, 0x30, 0x30, 0x30, 0x69, 0xFF, 0xAA};
    run.feed(noise);
    Bytes version = request(KdApiGetVersion);
    Bytes frame = data_frame(KdTypeStateManipulate, 0x80800000, version);
    run.feed(std::span(frame).first(2));
    run.pass(5000); // several time-outs of the wait for a leader
    run.feed(std::span(frame).subspan(2));
    std::vector<Packet> packets = run.take();
    ASSERT_EQ(packets.size(), 2u);
    EXPECT_EQ(packets[0].type, KdTypeAcknowledge);
    EXPECT_EQ(packets[1].type, KdTypeStateManipulate);
}

TEST_F(KdLink, BreakInWhileStoppedRepeatsTheStopAsANewPacketAndIsRemembered) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    EXPECT_EQ(host.receive().id, 0x80800800u);
    run.feed(Bytes{0x62});
    Packet again = host.receive();
    EXPECT_EQ(again.type, KdTypeStateChange64);
    EXPECT_EQ(again.id, 0x80800001u);
    EXPECT_TRUE(KdpControlCPending);
    host.go_on();
    EXPECT_TRUE(run.finished());
}

TEST_F(KdLink, DataPacketInPlaceOfAnAcknowledgementCountsAsOne) {
    TargetRun run([] { stop_machine(); });
    run.take();
    Bytes version = request(KdApiGetVersion);
    run.feed(data_frame(KdTypeStateManipulate, 0x80800000, version));
    std::vector<Packet> packets = run.take();
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_EQ(packets[0].type, KdTypeResend);
    run.feed(data_frame(KdTypeStateManipulate, 0x80800000, version));
    packets = run.take();
    ASSERT_EQ(packets.size(), 2u);
    EXPECT_EQ(packets[0].type, KdTypeAcknowledge);
    EXPECT_EQ(packets[1].type, KdTypeStateManipulate);
    EXPECT_EQ(packets[1].id, 0x80800001u) << "the stop counts as received";
}

TEST_F(KdLink, RunningTargetTakesOneBytePerPollAndKnowsOnlyTheBreakInByte) {
    std::vector<bool> seen;
    TargetRun run([&] {
        for (int i = 0; i < 18; i++) {
            seen.push_back(KdpPollForBreakIn());
        }
    });
    Bytes reset = control_frame(KdTypeReset, 0);
    reset.push_back(0x62);
    run.feed(reset);
    run.pass(1);
    ASSERT_TRUE(run.finished());
    ASSERT_EQ(seen.size(), 18u);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 1);
}

TEST_F(KdLink, PromptWaitsForItsAnswerAndIsRepeatedOnReset) {
    char response[4] = {};
    std::uint32_t length = 0;
    TargetRun run([&] {
        KD_STOP stop = machine->stop();
        length = KdpSendPrompt(&stop, "(bic)? ", 7, response, 2);
    });
    Host host(run);
    Packet prompt = host.receive();
    EXPECT_EQ(prompt.type, KdTypeDebugIo);
    EXPECT_EQ(KdGet32(prompt.payload.data()), KdGetString);
    EXPECT_EQ(KdGet32(&prompt.payload[8]), 7u);
    EXPECT_EQ(KdGet32(&prompt.payload[12]), 2u);
    run.feed(control_frame(KdTypeReset, 0));
    std::vector<Packet> packets = run.take();
    ASSERT_EQ(packets.size(), 2u);
    EXPECT_EQ(packets[1].type, KdTypeDebugIo);
    EXPECT_EQ(packets[1].id, 0x80800000u);
    run.feed(ack(0x80800000));
    Bytes answer(16);
    KdPut32(answer.data(), KdGetString);
    KdPut32(&answer[12], 200); // more than is there, and more than was asked for
    answer.insert(answer.end(), {'i', 'b', 'c'});
    host.send(answer, KdTypeDebugIo);
    ASSERT_TRUE(run.finished());
    EXPECT_EQ(length, 2u);
    EXPECT_STREQ(response, "ib");
}

// Sleeping in silence. A poll is a millisecond, a sleep one to five.

class KdLinkIdle : public KdLink {
  protected:
    KdLinkIdle() { start_link(true); }
};

TEST_F(KdLinkIdle, SleepsOnlyAfterTwentyMillisecondsOfSilence) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    host.receive();
    run.pass(19);
    EXPECT_EQ(run.idles(), 0u);
    host.request(request(KdApiGetVersion));
    run.pass(19);
    EXPECT_EQ(run.idles(), 0u) << "each exchange starts the silence anew";
    run.pass(1000);
    EXPECT_GE(run.idles(), 200u) << "and time-outs do not";
    EXPECT_LE(run.idles(), 300u) << "the sleeps become longer";
}

TEST_F(KdLinkIdle, ARequestAfterASleepIsServedAndFollowedByPolling) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    host.receive();
    run.pass(5000);
    host.request(request(KdApiGetVersion));
    unsigned before = run.idles();
    EXPECT_GT(before, 0u);
    for (int i = 0; i < 10; i++) {
        run.pass(15);
        EXPECT_EQ(KdGet16(&host.request(request(KdApiGetVersion))[24]), 0x8664);
    }
    EXPECT_EQ(run.idles(), before);
    host.go_on();
    EXPECT_TRUE(run.finished());
}

TEST_F(KdLinkIdle, AStopThatNobodyHearsIsRepeatedAsOftenAsWithoutSleep) {
    TargetRun run([] { stop_machine(); });
    run.pass(60 * KdpAckTimeout);
    std::size_t sent = run.take().size();
    EXPECT_GE(sent, 55u); // a time-out ends with the sleep in which it falls: at most 65 for 60 ms
    EXPECT_LE(sent, 61u);
    EXPECT_GE(run.idles(), 700u) << "repeating does not end the silence";
}

TEST_F(KdLinkIdle, UnansweredPrintIsGivenUpAfterTwentySends) {
    TargetRun run([] {
        print("one");
        stop_machine();
    });
    run.pass(20 * (KdpAckTimeout + 10));
    std::vector<Packet> packets = run.take();
    ASSERT_GE(packets.size(), 21u);
    EXPECT_EQ(packets[19].type, KdTypeDebugIo);
    EXPECT_EQ(packets[20].type, KdTypeStateChange64);
}

TEST_F(KdLinkIdle, NeverSleepsWithinAPacket) {
    TargetRun run([] { stop_machine(); });
    Host host(run);
    host.receive();
    run.pass(5000);
    Bytes frame = data_frame(KdTypeStateManipulate, 0x80800000, request(KdApiGetVersion));
    run.feed(std::span(frame).first(20));
    unsigned before = run.idles();
    run.pass(KdpByteTimeout - 10);
    EXPECT_EQ(run.idles(), before);
    run.feed(std::span(frame).subspan(20));
    std::vector<Packet> packets = run.take();
    ASSERT_FALSE(packets.empty());
    EXPECT_EQ(packets.back().type, KdTypeStateManipulate);
}

TEST_F(KdLinkIdle, AMachineThatCannotSleepPolls) {
    static const KD_PIPE sleepless = {KdpPipe->Get, KdpPipe->Put, 1, [](std::uint32_t) { return false; }};
    KdpStartLink(&sleepless);
    TargetRun run([] { stop_machine(); });
    run.pass(10 * (KdpAckTimeout + 1));
    EXPECT_EQ(run.take().size(), 11u);
}

} // namespace
} // namespace lab
