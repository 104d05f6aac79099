// State changes: what the target says when it stops, and the loop that serves the debugger until it continues.
#include "kdp.h"

extern "C" {
bool KdpHideContextEx;
bool KdpLikeReactOs;
bool KdpContextSent;
uint16_t KdpSelectedProcessor;
}

static void KdpFillState(const KD_STOP* Stop, uint8_t* State, uint32_t NewState) {
    uint64_t pc = KdpProgramCounter(Stop);
    __builtin_memset(State, 0, KdStateChangeSize);
    KdPut32(State, NewState);
    KdPut16(State + 4, Stop->ProcessorLevel);
    KdPut16(State + 6, Stop->Processor);
    KdPut32(State + 8, Stop->NumberProcessors);
    KdPut64(State + 16, Stop->Thread);
    KdPut64(State + 24, pc);

    // The debugger sees the instructions as they are without its breakpoints, and those in this window are gone for
    // good.
    KdpDeleteBreakpointRange(pc, pc + KdInstructionStreamSize - 1);
    uint8_t stream[KdInstructionStreamSize];
    uint32_t size = KdpReadVirtual(pc, stream, sizeof stream);
    KdpFillControlReport(Stop, State + KdStateControlReport, stream, size);
}

static KD_CONTINUE KdpSendWaitContinue(const KD_STOP* Stop, const uint8_t* State, const uint8_t* Data,
                                       uint32_t DataSize) {
    KdpContextSent = false;
    KdpStartContext(Stop);
    for (;;) {
        KdSendPacket(KdTypeStateChange64, State, KdStateChangeSize, Data, DataSize);
        if (KdDebuggerNotPresent != 0) {
            return KdContinueHandled; // it was given up, so nobody will continue
        }
        KD_CONTINUE next = KdContinueStay;
        while (next == KdContinueStay) {
            KD_MESSAGE message;
            KD_RECEIVE_STATUS status = KdReceivePacket(KdTypeStateManipulate, &message);
            if (status == KdPacketReceived) {
                next = KdpServeRequest(Stop, &message);
            } else if (status == KdPacketNeedsResend) {
                next = KdContinueRepeat;
            }
        }
        if (next != KdContinueRepeat) {
            KdpPlantOwedBreakpoints();
            return next;
        }
    }
}

KD_CONTINUE KdpReportException(const KD_STOP* Stop, const KD_EXCEPTION* Exception, bool FirstChance) {
    uint8_t state[KdStateChangeSize];
    KdpFillState(Stop, state, KdStateException);
    uint8_t* record = state + KdStateUnion;
    KdPut32(record, Exception->Code);
    KdPut32(record + 4, Exception->Flags);
    KdPut64(record + 8, Exception->Record);
    KdPut64(record + 16, Exception->Address);
    KdPut32(record + 24, Exception->NumberParameters);
    for (uint32_t i = 0; i < 15 && i < Exception->NumberParameters; i++) {
        KdPut64(record + 32 + 8 * i, Exception->Information[i]);
    }
    KdPut32(record + 152, FirstChance ? 1 : 0);
    static const uint8_t trace[4] = {}; // ReactOS tells here how much of it there is
    return KdpSendWaitContinue(Stop, state, trace, KdpLikeReactOs ? sizeof trace : 0);
}

KD_CONTINUE KdpReportImage(const KD_STOP* Stop, const char* Path, const KD_IMAGE* Image, bool Unload) {
    if (KdDebuggerNotPresent != 0) {
        return KdContinueHandled;
    }
    uint32_t length = 0;
    constexpr uint32_t longest = 512; // with the terminator
    uint8_t path[longest] = {};
    if (Path != nullptr) {
        while (length < longest - 1 && Path[length] != 0) {
            path[length] = static_cast<uint8_t>(Path[length]);
            length++;
        }
        length++;
    }
    uint8_t state[KdStateChangeSize];
    KdpFillState(Stop, state, KdStateLoadSymbols);
    uint8_t* load = state + KdStateUnion;
    KdPut32(load, length);
    KdPut64(load + 8, Image->Base);
    KdPut64(load + 16, Image->ProcessId);
    KdPut32(load + 24, Image->CheckSum);
    KdPut32(load + 28, Image->Size);
    load[32] = Unload ? 1 : 0;
    return KdpSendWaitContinue(Stop, state, path, length);
}
