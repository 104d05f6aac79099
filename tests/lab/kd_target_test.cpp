// State changes and requests of the practice kernel's KD target side.
#include "kd_machine.h"

#include <gmock/gmock.h>

namespace lab {
namespace {

constexpr std::uint64_t code = 0xFFFFF80000002000;
constexpr std::uint64_t hole = 0xFFFFF80000004000; // the page before is mapped, this is not
constexpr std::uint32_t failed = 0xC0000001;

std::uint32_t status_of(const Bytes& answer) {
    return KdGet32(&answer[KdStatusField]);
}

class KdTarget : public testing::Test {
  protected:
    KdTarget() {
        machine = &machine_;
        machine_.map(code);
        machine_.map(code + 0x1000);
        KdPut64(&machine_.context[0xF8], code + 0x10);
        KdPut32(&machine_.context[0x44], 0x246);
        KdPut16(&machine_.context[0x38], 0x10);
        KdPut16(&machine_.context[0x3A], 0x2B);
        KdPut64(&machine_.special[0x40], 0xFFFF0FF0);
        KdPut64(&machine_.special[0x48], 0x400);
        for (KD_BREAKPOINT& entry : KdpBreakpointTable) {
            entry = {};
        }
        KdpHideContextEx = false;
        KdpLikeReactOs = false;
        start_link();
    }

    static KD_CONTINUE stop_machine() {
        KD_STOP stop = machine->stop();
        KD_EXCEPTION exception = {0x80000003, 0, 0, KdGet64(&machine->context[0xF8]), 1, {0, 0x1234}};
        return KdpReportException(&stop, &exception, true);
    }

    std::uint32_t add_breakpoint(Host& host, std::uint64_t address) {
        Bytes answer = host.request(request(KdApiWriteBreakPoint, {{16, address & 0xFFFFFFFF}, {20, address >> 32}}));
        std::uint32_t handle = KdGet32(&answer[24]);
        EXPECT_EQ(handle != 0, status_of(answer) == 0);
        return handle;
    }

    Machine machine_;
};

// A target at a stop, whose state change has been acknowledged.
struct Stopped {
    KD_CONTINUE result = KdContinueStay;
    TargetRun run;
    Host host;
    Bytes state;

    explicit Stopped(const std::function<KD_CONTINUE()>& stop)
        : run([this, stop] { result = stop(); }), host(run), state(host.receive().payload) {}
};

TEST_F(KdTarget, ExceptionStateChange) {
    machine_.at(code + 0x10) = 0xCC;
    Stopped at(stop_machine);
    ASSERT_EQ(at.state.size(), 240u);
    EXPECT_EQ(KdGet32(&at.state[0]), 0x3030u);
    EXPECT_EQ(KdGet16(&at.state[4]), 6);
    EXPECT_EQ(KdGet16(&at.state[6]), 0);
    EXPECT_EQ(KdGet32(&at.state[8]), 1u);
    EXPECT_EQ(KdGet64(&at.state[16]), 0xFFFFF80000001000u);
    EXPECT_EQ(KdGet64(&at.state[24]), code + 0x10);
    EXPECT_EQ(KdGet32(&at.state[32]), 0x80000003u);
    EXPECT_EQ(KdGet64(&at.state[48]), code + 0x10);
    EXPECT_EQ(KdGet32(&at.state[56]), 1u);
    EXPECT_EQ(KdGet64(&at.state[64]), 0u);
    EXPECT_EQ(KdGet64(&at.state[72]), 0u) << "past NumberParameters";
    EXPECT_EQ(KdGet32(&at.state[184]), 1u);
    EXPECT_EQ(KdGet64(&at.state[192]), 0xFFFF0FF0u);
    EXPECT_EQ(KdGet64(&at.state[200]), 0x400u);
    EXPECT_EQ(KdGet32(&at.state[208]), 0x246u);
    EXPECT_EQ(KdGet16(&at.state[212]), 16);
    EXPECT_EQ(KdGet16(&at.state[214]), 3);
    EXPECT_EQ(at.state[216], 0xCC);
    EXPECT_EQ(at.state[217], machine_.at(code + 0x11));
    EXPECT_EQ(KdGet16(&at.state[232]), 0x10);
    EXPECT_EQ(KdGet16(&at.state[234]), 0x2B);
    at.host.go_on();
    EXPECT_EQ(at.result, KdContinueHandled);
    EXPECT_EQ(KdGet64(&machine_.context[0xF8]), code + 0x10)
        << "the target does not step over a breakpoint instruction";
}

TEST_F(KdTarget, InstructionStreamStopsAtAnUnmappedPage) {
    KdPut64(&machine_.context[0xF8], hole - 5);
    Stopped at(stop_machine);
    EXPECT_EQ(KdGet16(&at.state[212]), 5);
}

TEST_F(KdTarget, ImageLoadAndUnload) {
    Stopped at([] {
        KD_STOP stop = machine->stop();
        KD_IMAGE image = {0xFFFFF80010000000, 4, 0xABCD, 0x6000};
        KdpReportImage(&stop, "\\SystemRoot\\leaky.sys", &image, false);
        KdpReportImage(&stop, nullptr, &image, true);
        return KdContinueHandled;
    });
    ASSERT_EQ(at.state.size(), 240u + 22);
    EXPECT_EQ(KdGet32(&at.state[0]), 0x3031u);
    EXPECT_EQ(KdGet32(&at.state[32]), 22u);
    EXPECT_EQ(KdGet64(&at.state[40]), 0xFFFFF80010000000u);
    EXPECT_EQ(KdGet64(&at.state[48]), 4u);
    EXPECT_EQ(KdGet32(&at.state[56]), 0xABCDu);
    EXPECT_EQ(KdGet32(&at.state[60]), 0x6000u);
    EXPECT_EQ(at.state[64], 0);
    EXPECT_STREQ(reinterpret_cast<const char*>(&at.state[240]), "\\SystemRoot\\leaky.sys");
    at.host.go_on(0x00010002);
    Bytes unload = at.host.receive().payload;
    EXPECT_EQ(unload.size(), 240u);
    EXPECT_EQ(KdGet32(&unload[32]), 0u);
    EXPECT_EQ(unload[64], 1);
    at.host.send(request(KdApiContinue, {{16, 0x00010002}}));
    EXPECT_TRUE(at.run.finished());
}

TEST_F(KdTarget, ImageLoadIsGivenUpAndThenNotSent) {
    TargetRun run([] {
        KD_STOP stop = machine->stop();
        KD_IMAGE image = {};
        KdpReportImage(&stop, "a.sys", &image, false);
        KdpReportImage(&stop, "b.sys", &image, false);
    });
    run.pass(20 * (KdpAckTimeout + 1));
    EXPECT_TRUE(run.finished());
    EXPECT_EQ(run.take().size(), 20u);
}

TEST_F(KdTarget, VersionEchoesTheRequestsOtherFields) {
    Stopped at(stop_machine);
    Bytes ask = request(KdApiGetVersion);
    KdPut16(&ask[4], 0x1122);
    KdPut16(&ask[6], 0xFFFF);
    Bytes answer = at.host.request(ask);
    EXPECT_EQ(answer.size(), 56u);
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet16(&answer[4]), 0x1122);
    EXPECT_EQ(KdGet16(&answer[6]), 0xFFFF);
    EXPECT_EQ(KdGet64(&answer[32]), 0xFFFFF80000000000u);
}

TEST_F(KdTarget, ReadIsCappedAndStopsAtAHole) {
    Stopped at(stop_machine);
    Bytes answer = at.host.request(memory_request(KdApiReadVirtualMemory, code, 0x2000));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet32(&answer[24]), 0x2000u);
    EXPECT_EQ(KdGet32(&answer[28]), 3944u);
    ASSERT_EQ(answer.size(), 4000u);
    EXPECT_EQ(answer[56 + 3943], machine_.at(code + 3943));

    answer = at.host.request(memory_request(KdApiReadVirtualMemory, hole - 7, 64));
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[28]), 7u);
    ASSERT_EQ(answer.size(), 63u);
    EXPECT_EQ(answer[62], machine_.at(hole - 1));

    answer = at.host.request(memory_request(KdApiReadVirtualMemory, hole, 64));
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[28]), 0u);
    EXPECT_EQ(answer.size(), 56u);

    EXPECT_EQ(status_of(at.host.request(memory_request(KdApiReadVirtualMemory, hole, 0))), 0u);
}

TEST_F(KdTarget, WriteStopsAtAHole) {
    Stopped at(stop_machine);
    Bytes answer = at.host.request(memory_request(KdApiWriteVirtualMemory, code + 4, 3, {1, 2, 3}));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet32(&answer[28]), 3u);
    EXPECT_EQ(machine_.at(code + 6), 3);
    answer = at.host.request(memory_request(KdApiWriteVirtualMemory, hole - 2, 3, {7, 8, 9}));
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[28]), 2u);
    EXPECT_EQ(machine_.at(hole - 1), 8);
    // Fewer bytes than announced.
    answer = at.host.request(memory_request(KdApiWriteVirtualMemory, code, 8, {7, 8}));
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[28]), 2u);
}

TEST_F(KdTarget, PhysicalMemory) {
    machine_.physical[0x5000] = Bytes(0x1000, 0x77);
    Stopped at(stop_machine);
    Bytes answer = at.host.request(memory_request(KdApiReadPhysicalMemory, 0x5FFC, 8));
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[28]), 4u);
    EXPECT_EQ(answer.size(), 60u);
    answer = at.host.request(memory_request(KdApiWritePhysicalMemory, 0x5000, 2, {5, 6}));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(machine_.physical[0x5000][1], 6);
    Bytes uncached = memory_request(KdApiReadPhysicalMemory, 0x5000, 8);
    KdPut32(&uncached[28], 2);
    answer = at.host.request(uncached);
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[28]), 0u);
}

TEST_F(KdTarget, BreakpointIsPlantedReadBackAndReleased) {
    std::uint8_t original = machine_.at(code + 0x100);
    Stopped at(stop_machine);
    std::uint32_t handle = add_breakpoint(at.host, code + 0x100);
    EXPECT_EQ(handle, 1u);
    EXPECT_EQ(at.host.request(memory_request(KdApiReadVirtualMemory, code + 0x100, 1))[56], 0xCC)
        << "reads show the planted byte";
    EXPECT_EQ(add_breakpoint(at.host, code + 0x100), 0u) << "a second one at the address";
    EXPECT_EQ(status_of(at.host.request(request(KdApiRestoreBreakPoint, {{16, handle}}))), 0u);
    EXPECT_EQ(machine_.at(code + 0x100), original);
    EXPECT_EQ(status_of(at.host.request(request(KdApiRestoreBreakPoint, {{16, handle}}))), failed);
    EXPECT_EQ(status_of(at.host.request(request(KdApiRestoreBreakPoint, {{16, 0}}))), failed);
    EXPECT_EQ(status_of(at.host.request(request(KdApiRestoreBreakPoint, {{16, 33}}))), failed);
}

TEST_F(KdTarget, ThirtyThirdBreakpointFails) {
    Stopped at(stop_machine);
    for (std::uint32_t i = 0; i < 32; i++) {
        EXPECT_EQ(add_breakpoint(at.host, code + 0x100 + i), i + 1);
    }
    EXPECT_EQ(add_breakpoint(at.host, code + 0x300), 0u);
    EXPECT_EQ(status_of(at.host.request(request(KdApiRestoreBreakPoint, {{16, 7}}))), 0u);
    EXPECT_EQ(add_breakpoint(at.host, code + 0x300), 7u) << "handles are used again";
}

TEST_F(KdTarget, StopDeletesBreakpointsWithinSixteenBytes) {
    const Bytes before(machine_.pages[code].begin() + 0x200, machine_.pages[code].begin() + 0x220);
    TargetRun run([] {
        stop_machine();
        stop_machine();
    });
    Host host(run);
    host.receive();
    std::uint32_t below = add_breakpoint(host, code + 0x1FF);
    std::uint32_t here = add_breakpoint(host, code + 0x200);
    std::uint32_t last = add_breakpoint(host, code + 0x20F);
    std::uint32_t above = add_breakpoint(host, code + 0x210);
    KdPut64(&machine_.context[0xF8], code + 0x200);
    host.go_on();
    Bytes state = host.receive().payload;
    EXPECT_EQ(Bytes(state.begin() + 216, state.begin() + 232), Bytes(before.begin(), before.begin() + 16));
    EXPECT_EQ(machine_.at(code + 0x200), before[0]);
    EXPECT_EQ(machine_.at(code + 0x210), 0xCC);
    EXPECT_EQ(status_of(host.request(request(KdApiRestoreBreakPoint, {{16, here}}))), failed);
    EXPECT_EQ(status_of(host.request(request(KdApiRestoreBreakPoint, {{16, last}}))), failed);
    EXPECT_EQ(status_of(host.request(request(KdApiRestoreBreakPoint, {{16, below}}))), 0u);
    EXPECT_EQ(status_of(host.request(request(KdApiRestoreBreakPoint, {{16, above}}))), 0u);
}

TEST_F(KdTarget, BreakpointOnAnUnmappedPageIsPlantedWhenThePageIsThere) {
    TargetRun run([] {
        stop_machine();
        stop_machine();
    });
    Host host(run);
    host.receive();
    std::uint32_t handle = add_breakpoint(host, hole + 8);
    EXPECT_EQ(handle, 1u);
    machine_.map(hole);
    std::uint8_t original = machine_.at(hole + 8);
    host.go_on();
    EXPECT_EQ(machine_.at(hole + 8), 0xCC);
    host.receive();
    machine_.pages.erase(hole); // and now it is gone again
    EXPECT_EQ(status_of(host.request(request(KdApiRestoreBreakPoint, {{16, handle}}))), 0u);
    machine_.map(hole);
    EXPECT_EQ(machine_.at(hole + 8), original);
}

TEST_F(KdTarget, ReleaseLeavesMemoryAloneThatIsAnothersNow) {
    Stopped at(stop_machine);
    std::uint32_t handle = add_breakpoint(at.host, code + 0x100);
    machine_.at(code + 0x100) = 0x55;
    EXPECT_EQ(status_of(at.host.request(request(KdApiRestoreBreakPoint, {{16, handle}}))), 0u);
    EXPECT_EQ(machine_.at(code + 0x100), 0x55);
}

TEST_F(KdTarget, SeveralBreakpointsAtOnce) {
    Stopped at(stop_machine);
    Bytes records(32);
    KdPut64(&records[0], code + 0x100);
    KdPut64(&records[16], code + 0x140);
    Bytes answer = at.host.request(request(KdApiWriteBreakPointEx, {{16, 2}, {20, 0x103}}, records));
    EXPECT_EQ(status_of(answer), 0u);
    ASSERT_EQ(answer.size(), 56u + 32);
    EXPECT_EQ(KdGet32(&answer[56 + 8]), 1u);
    EXPECT_EQ(KdGet32(&answer[56 + 24]), 2u);
    EXPECT_EQ(machine_.at(code + 0x140), 0xCC);
    answer = at.host.request(request(KdApiWriteBreakPointEx, {{16, 2}}, records));
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[56 + 8]), 0u);
    answer = at.host.request(request(KdApiRestoreBreakPointEx, {{16, 2}}, {1, 0, 0, 0, 2, 0, 0, 0}));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_NE(machine_.at(code + 0x140), 0xCC);
    // A count that does not fit the data.
    EXPECT_EQ(status_of(at.host.request(request(KdApiWriteBreakPointEx, {{16, 0x10000000}}, records))), failed);
}

TEST_F(KdTarget, ContextMustBeReadBeforeItIsWritten) {
    Stopped at(stop_machine);
    Bytes context = machine_.context;
    KdPut64(&context[0xF8], code + 0x11);
    EXPECT_EQ(status_of(at.host.request(request(KdApiSetContext, {}, context))), failed);
    Bytes answer = at.host.request(request(KdApiGetContext));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(Bytes(answer.begin() + 56, answer.end()), machine_.context);
    EXPECT_EQ(status_of(at.host.request(request(KdApiSetContext, {}, context))), 0u);
    EXPECT_EQ(machine_.context, context);
    Bytes other = request(KdApiGetContext);
    KdPut16(&other[6], 1);
    EXPECT_EQ(status_of(at.host.request(other)), failed) << "there is one processor";
    EXPECT_EQ(status_of(at.host.request(request(KdApiSetContext, {}, Bytes(0x4CF)))), failed);
}

TEST_F(KdTarget, ContextRangesAreStagedUntilTheTotalIsReached) {
    Stopped at(stop_machine);
    Bytes answer = at.host.request(request(KdApiGetContextEx, {{16, 0xF8}, {20, 8}}));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet32(&answer[24]), 8u);
    ASSERT_EQ(answer.size(), 64u);
    EXPECT_EQ(KdGet64(&answer[56]), code + 0x10);

    Bytes rip(8);
    KdPut64(rip.data(), code + 0x40);
    answer = at.host.request(request(KdApiSetContextEx, {{16, 0xF8}, {20, 8}, {24, 0x4D0}}, rip));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet32(&answer[24]), 8u);
    EXPECT_EQ(KdGet64(&machine_.context[0xF8]), code + 0x10) << "not committed yet";
    Bytes tail(16, 0x99);
    at.host.request(request(KdApiSetContextEx, {{16, 0x4C0}, {20, 16}, {24, 0x4D0}}, tail));
    EXPECT_EQ(KdGet64(&machine_.context[0xF8]), code + 0x40);
    EXPECT_EQ(machine_.context[0x4CF], 0x99);

    // A single range that announces its own end as the total.
    KdPut64(rip.data(), code + 0x80);
    at.host.request(request(KdApiSetContextEx, {{16, 0xF8}, {20, 8}, {24, 0x100}}, rip));
    EXPECT_EQ(KdGet64(&machine_.context[0xF8]), code + 0x80);
    EXPECT_EQ(machine_.context[0x4CF], 0x99);
}

TEST_F(KdTarget, ContextRangeErrors) {
    Stopped at(stop_machine);
    EXPECT_EQ(status_of(at.host.request(request(KdApiGetContextEx, {{16, 0}, {20, 0x4D1}}))), failed);
    EXPECT_EQ(status_of(at.host.request(request(KdApiGetContextEx, {{16, 0xFFFFFFFF}, {20, 8}}))), failed);
    at.host.request(request(KdApiGetContextEx, {{16, 0}, {20, 8}}));
    EXPECT_EQ(status_of(at.host.request(request(KdApiSetContextEx, {{16, 0}, {20, 9}, {24, 9}}, Bytes(8)))), failed);
    EXPECT_EQ(status_of(at.host.request(request(KdApiSetContextEx, {{16, 0}, {20, 8}, {24, 0}}, Bytes(8)))), failed);
    KdpHideContextEx = true;
    EXPECT_EQ(status_of(at.host.request(request(KdApiGetContextEx, {{16, 0}, {20, 8}}))), failed);
    EXPECT_EQ(status_of(at.host.request(request(KdApiSetContextEx, {{16, 0}, {20, 8}, {24, 8}}, Bytes(8)))), failed);
}

TEST_F(KdTarget, ControlSpaces) {
    Stopped at(stop_machine);
    Bytes answer = at.host.request(memory_request(KdApiReadControlSpace, 1, 8));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet64(&answer[56]), 0xFFFFF80000010180u);
    answer = at.host.request(memory_request(KdApiReadControlSpace, 2, 0x1000));
    EXPECT_EQ(KdGet32(&answer[28]), 0xF0u);
    EXPECT_EQ(Bytes(answer.begin() + 56, answer.end()), machine_.special);
    EXPECT_EQ(at.host.request(memory_request(KdApiReadControlSpace, 2, 0xD8)).size(), 56u + 0xD8);
    EXPECT_EQ(status_of(at.host.request(memory_request(KdApiReadControlSpace, 9, 8))), failed);
    Bytes other = memory_request(KdApiReadControlSpace, 0, 8);
    KdPut16(&other[6], 1);
    EXPECT_EQ(status_of(at.host.request(other)), failed);

    Bytes special = machine_.special;
    KdPut64(&special[0x20], 0x1111);
    EXPECT_EQ(status_of(at.host.request(memory_request(KdApiWriteControlSpace, 2, 0xF0, special))), 0u);
    EXPECT_EQ(machine_.special, special);
    EXPECT_EQ(status_of(at.host.request(memory_request(KdApiWriteControlSpace, 0, 8, Bytes(8)))), failed);
    EXPECT_EQ(status_of(at.host.request(memory_request(KdApiWriteControlSpace, 2, 0xF1, Bytes(0xF1)))), failed);
}

TEST_F(KdTarget, ContinueSetsTraceFlagAndDebugRegister) {
    Stopped at(stop_machine);
    at.host.go_on(0x00010001, true, 0x401);
    EXPECT_EQ(at.result, KdContinueHandled);
    EXPECT_EQ(KdGet32(&machine_.context[0x44]), 0x346u);
    EXPECT_EQ(KdGet64(&machine_.special[0x48]), 0x401u);
    EXPECT_EQ(KdGet64(&machine_.special[0x40]), 0u);
    start_link();
    Stopped again(stop_machine);
    again.host.go_on();
    EXPECT_EQ(KdGet32(&machine_.context[0x44]), 0x246u);
}

TEST_F(KdTarget, ContinueNotHandledLeavesTheControlSetAlone) {
    Stopped at(stop_machine);
    at.host.go_on(0x80010001, true, 0x401);
    EXPECT_EQ(at.result, KdContinueUnhandled);
    EXPECT_EQ(KdGet32(&machine_.context[0x44]), 0x246u);
    EXPECT_EQ(KdGet64(&machine_.special[0x48]), 0x400u);
}

TEST_F(KdTarget, Ports) {
    machine_.ports[0x64] = 0x1C;
    Stopped at(stop_machine);
    EXPECT_EQ(KdGet32(&at.host.request(request(KdApiReadIoSpace, {{16, 0x64}, {24, 1}}))[28]), 0x1Cu);
    EXPECT_EQ(status_of(at.host.request(request(KdApiWriteIoSpace, {{16, 0x64}, {24, 2}, {28, 0x55AA}}))), 0u);
    EXPECT_EQ(machine_.ports[0x64], 0x55AAu);
    EXPECT_EQ(status_of(at.host.request(request(KdApiReadIoSpace, {{16, 0x65}, {24, 2}}))), 0x80000002u);
    EXPECT_EQ(status_of(at.host.request(request(KdApiReadIoSpace, {{16, 0x65}, {24, 3}}))), 0xC000000Du);
    Bytes extended = at.host.request(request(KdApiReadIoSpaceExtended, {{16, 2}, {20, 1}, {28, 1}, {32, 0x64}}));
    EXPECT_EQ(status_of(extended), 0u);
    EXPECT_EQ(KdGet32(&extended[40]), 0x55AAu);
    EXPECT_EQ(status_of(at.host.request(request(KdApiReadIoSpaceExtended, {{16, 2}, {20, 5}, {28, 1}, {32, 0x64}}))),
              failed);
}

TEST_F(KdTarget, MachineRegisters) {
    machine_.msrs[0xC0000082] = 0xFFFFF80012345678;
    Stopped at(stop_machine);
    Bytes answer = at.host.request(request(KdApiReadMsr, {{16, 0xC0000082}}));
    EXPECT_EQ(KdGet32(&answer[20]), 0x12345678u);
    EXPECT_EQ(KdGet32(&answer[24]), 0xFFFFF800u);
    EXPECT_EQ(status_of(at.host.request(request(KdApiReadMsr, {{16, 1}}))), 0xC000000Eu);
    EXPECT_EQ(status_of(at.host.request(request(KdApiWriteMsr, {{16, 0x10}, {20, 7}, {24, 9}}))), 0u);
    EXPECT_EQ(machine_.msrs[0x10], 0x900000007u);
}

TEST_F(KdTarget, SearchFindsAcrossPiecesAndEndsAtAHole) {
    const Bytes pattern = {'n', 'e', 'e', 'd', 'l', 'e'};
    for (std::size_t i = 0; i < pattern.size(); i++) {
        machine_.at(code + 3941 + i) = pattern[i]; // across the boundary of the pieces that are read
    }
    Stopped at(stop_machine);
    auto search = [&](std::uint64_t from, std::uint64_t length) {
        return at.host.request(request(KdApiSearchMemory,
                                       {{16, from & 0xFFFFFFFF}, {20, from >> 32}, {24, length}, {32, pattern.size()}},
                                       pattern));
    };
    Bytes answer = search(code, 0x2000);
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet64(&answer[16]), code + 3941);
    EXPECT_EQ(status_of(search(code + 3942, 0x100)), 0x8000001Au);
    EXPECT_EQ(status_of(search(code + 3942, 0x8000)), failed);
    EXPECT_EQ(status_of(at.host.request(request(KdApiSearchMemory, {{16, 0}, {24, 16}, {32, 9}}, pattern))),
              0xC000000Du);
}

TEST_F(KdTarget, FillRepeatsThePattern) {
    Stopped at(stop_machine);
    auto fill = [&](std::uint64_t from, std::uint32_t length, std::uint32_t flags) {
        return at.host.request(
            request(KdApiFillMemory, {{16, from & 0xFFFFFFFF}, {20, from >> 32}, {24, length}, {28, flags | 3u << 16}},
                    {1, 2, 3}));
    };
    Bytes answer = fill(code + 0x400, 7, 1);
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet32(&answer[24]), 7u);
    EXPECT_EQ(machine_.at(code + 0x405), 3);
    EXPECT_EQ(machine_.at(code + 0x406), 1);
    answer = fill(hole - 4, 100, 1);
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(KdGet32(&answer[24]), 4u);
    EXPECT_EQ(status_of(fill(code, 7, 3)), 0xC000000Du);
}

TEST_F(KdTarget, QueryMemory) {
    Stopped at(stop_machine);
    Bytes answer = at.host.request(request(KdApiQueryMemory, {{16, code & 0xFFFFFFFF}, {20, code >> 32}}));
    EXPECT_EQ(status_of(answer), 0u);
    EXPECT_EQ(KdGet32(&answer[32]), 2u);
    EXPECT_EQ(KdGet32(&answer[36]), 5u);
    EXPECT_EQ(status_of(at.host.request(request(KdApiQueryMemory, {{16, hole & 0xFFFFFFFF}, {20, hole >> 32}}))),
              failed);
}

TEST_F(KdTarget, RequestsWithoutAnAnswer) {
    Stopped at(stop_machine);
    at.host.send(request(KdApiClearAllInternalBreakpoints));
    at.host.send(request(KdApiReboot));
    EXPECT_EQ(machine_.restarts, 1u);
    at.host.send(request(KdApiCauseBugCheck));
    EXPECT_EQ(machine_.bug_checks, 1u);
    at.host.send(request(KdApiSwitchProcessor));
    EXPECT_EQ(at.host.receive().type, KdTypeStateChange64) << "the only processor reports again";
}

// The same request about another processor.
Bytes about(std::uint16_t processor, Bytes request) {
    KdPut16(&request[6], processor);
    return request;
}

TEST_F(KdTarget, RegistersOfAnotherProcessor) {
    machine_.processors = 2;
    machine_.other_context[0xF8] = 0x77;
    machine_.other_special[0x10] = 0x33;
    Stopped at(stop_machine);
    EXPECT_EQ(KdGet32(&at.state[8]), 2u);
    Bytes answer = at.host.request(about(1, request(KdApiGetContext)));
    EXPECT_EQ(Bytes(answer.begin() + 56, answer.end()), machine_.other_context);
    answer = at.host.request(about(1, memory_request(KdApiReadControlSpace, 2, 0xF0)));
    EXPECT_EQ(Bytes(answer.begin() + 56, answer.end()), machine_.other_special);
    answer = at.host.request(about(1, memory_request(KdApiReadControlSpace, 1, 8)));
    EXPECT_EQ(KdGet64(&answer[56]), 0xFFFFF80000011180u);

    const Bytes before = machine_.context;
    Bytes eight(8, 0x5A);
    EXPECT_EQ(
        status_of(at.host.request(about(1, request(KdApiSetContextEx, {{16, 0xF8}, {20, 8}, {24, 0x100}}, eight)))),
        0u);
    EXPECT_EQ(KdGet64(&machine_.other_context[0xF8]), 0x5A5A5A5A5A5A5A5Au);
    EXPECT_EQ(KdGet64(&machine_.other_context[0xF0]), 0u) << "the rest stays that processor's own";
    EXPECT_EQ(machine_.context, before);
    EXPECT_EQ(status_of(at.host.request(about(2, request(KdApiGetContext)))), failed);
    EXPECT_EQ(status_of(at.host.request(about(2, memory_request(KdApiReadControlSpace, 2, 0xF0)))), failed);
}

TEST_F(KdTarget, ContinueArmsEveryProcessor) {
    machine_.processors = 2;
    KdPut64(&machine_.other_special[0x40], 1);
    Stopped at(stop_machine);
    at.host.go_on(0x00010001, true, 0x401);
    EXPECT_EQ(KdGet64(&machine_.special[0x48]), 0x401u);
    EXPECT_EQ(KdGet64(&machine_.other_special[0x48]), 0x401u);
    EXPECT_EQ(KdGet64(&machine_.other_special[0x40]), 0u);
    EXPECT_EQ(KdGet32(&machine_.other_context[0x44]), 0u) << "the trace flag is for the one that reported";
}

TEST_F(KdTarget, SwitchToAnotherProcessorEndsTheReport) {
    machine_.processors = 2;
    Stopped at(stop_machine);
    at.host.send(about(2, request(KdApiSwitchProcessor)));
    EXPECT_EQ(at.host.receive().type, KdTypeStateChange64) << "there is none such: this one reports again";
    at.host.send(about(1, request(KdApiSwitchProcessor)));
    EXPECT_EQ(at.result, KdContinueSwitch);
    EXPECT_EQ(KdpSelectedProcessor, 1);
}

TEST_F(KdTarget, UnknownRequestFailsAndEchoes) {
    Stopped at(stop_machine);
    Bytes answer = at.host.request(request(0x3151, {{16, 0x11223344}}));
    EXPECT_EQ(status_of(answer), failed);
    EXPECT_EQ(answer.size(), 56u);
    EXPECT_EQ(KdGet32(&answer[16]), 0x11223344u);
}

TEST_F(KdTarget, LikeReactOsItSaysMoreThanWasAskedFor) {
    KdpLikeReactOs = true;
    Stopped at(stop_machine);
    EXPECT_EQ(at.state.size(), 244u) << "trace data";
    machine_.special[0] = machine_.special[0xEF] = 0x11;
    Bytes answer = at.host.request(memory_request(KdApiReadControlSpace, 2, 0xD8));
    EXPECT_EQ(KdGet32(&answer[28]), 0xF0u);
    ASSERT_EQ(answer.size(), 56u + 0xF0);
    EXPECT_EQ(answer[56], 0x11);
    EXPECT_EQ(answer[56 + 0xEF], 0xDB) << "stale";
}

TEST_F(KdTarget, LikeReactOsSeveralBreakpointsAtOnceEndTheStop) {
    KdpLikeReactOs = true;
    Stopped at(stop_machine);
    EXPECT_EQ(status_of(at.host.request(request(KdApiWriteBreakPointEx, {{16, 1}}, Bytes(16)))), failed);
    EXPECT_EQ(at.result, KdContinueUnhandled);
}

TEST_F(KdTarget, LikeReactOsBusDataRestartTheMachine) {
    KdpLikeReactOs = true;
    Stopped at(stop_machine);
    EXPECT_EQ(status_of(at.host.request(request(KdApiSearchMemory))), failed);
    EXPECT_EQ(machine_.restarts, 0u);
    for (std::uint32_t api : {KdApiGetBusData, KdApiSetBusData, KdApiCheckLowMemory}) {
        at.host.send(request(api));
    }
    EXPECT_EQ(machine_.restarts, 3u);
}

} // namespace
} // namespace lab
