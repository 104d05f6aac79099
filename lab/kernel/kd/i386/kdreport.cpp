// What the protocol has per architecture, for x86: offsets in CONTEXT and KSPECIAL_REGISTERS, the control report,
// Continue2, control space.
#include "../kdp.h"

constexpr uint32_t KdContextSegFs = 0x90;
constexpr uint32_t KdContextSegEs = 0x94;
constexpr uint32_t KdContextSegDs = 0x98;
constexpr uint32_t KdContextEip = 0xB8;
constexpr uint32_t KdContextSegCs = 0xBC;
constexpr uint32_t KdContextEFlags = 0xC0;
constexpr uint32_t KdSpecialDr6 = 0x20;
constexpr uint32_t KdSpecialDr7 = 0x24;
constexpr uint32_t KdSpecialSize = 0x54;
constexpr uint32_t KdProcessorStateSize = 0x2CC + KdSpecialSize; // CONTEXT, then KSPECIAL_REGISTERS

constexpr uint32_t KdTrapFlag = 0x100;
constexpr uint16_t KdKernelCode = 0x08;

// Control report: Dr6 (4), Dr7 (4), InstructionCount (2), ReportFlags (2), InstructionStream (16), CS, DS, ES, FS,
// EFlags (4).
constexpr uint16_t KdReportIncludesSegments = 1;
constexpr uint16_t KdReportStandardCs = 2;

// Continue2: ContinueStatus 16, TraceFlag 20, Dr7 24, CurrentSymbolStart 28, CurrentSymbolEnd 32.
constexpr uint32_t KdContinueTraceFlag = 4;
constexpr uint32_t KdContinueDr7 = 8;

const uint8_t KdpBreakpointInstruction = 0xCC;
const uint32_t KdpContextSize = 0x2CC;

uint64_t KdpCanonicalAddress(uint64_t Address) {
    return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(Address)));
}

uint64_t KdpProgramCounter(const KD_STOP* Stop) {
    return KdpCanonicalAddress(KdGet32(Stop->Context + KdContextEip));
}

void KdpFillControlReport(const KD_STOP* Stop, uint8_t* Report, const uint8_t* Stream, uint32_t StreamSize) {
    uint16_t cs = KdGet16(Stop->Context + KdContextSegCs);
    uint16_t flags = KdReportIncludesSegments;
    if (cs == KdKernelCode) {
        flags |= KdReportStandardCs;
    }
    KdPut32(Report, KdGet32(Stop->Special + KdSpecialDr6));
    KdPut32(Report + 4, KdGet32(Stop->Special + KdSpecialDr7));
    KdPut16(Report + 8, static_cast<uint16_t>(StreamSize));
    KdPut16(Report + 10, flags);
    __builtin_memcpy(Report + 12, Stream, StreamSize);
    KdPut16(Report + 28, cs);
    KdPut16(Report + 30, KdGet16(Stop->Context + KdContextSegDs));
    KdPut16(Report + 32, KdGet16(Stop->Context + KdContextSegEs));
    KdPut16(Report + 34, KdGet16(Stop->Context + KdContextSegFs));
    KdPut32(Report + 36, KdGet32(Stop->Context + KdContextEFlags));
}

void KdpSetTrace(const KD_STOP* Stop, const uint8_t* Union) {
    uint32_t eflags = KdGet32(Stop->Context + KdContextEFlags) & ~KdTrapFlag;
    if (KdGet32(Union + KdContinueTraceFlag) != 0) {
        eflags |= KdTrapFlag;
    }
    KdPut32(Stop->Context + KdContextEFlags, eflags);
}

void KdpSetDebugControl(uint8_t* Special, const uint8_t* Union) {
    KdPut32(Special + KdSpecialDr7, KdGet32(Union + KdContinueDr7));
    KdPut32(Special + KdSpecialDr6, 0);
}

// Byte Offset of the processor's KPROCESSOR_STATE, whose two parts a stop keeps apart.
static uint8_t* KdpStateByte(const KD_STOP* Stop, uint32_t Offset) {
    return Offset < KdpContextSize ? Stop->Context + Offset : Stop->Special + (Offset - KdpContextSize);
}

uint32_t KdpReadControl(const KD_STOP* Stop, uint64_t Where, uint8_t* Bytes, uint32_t Size) {
    uint32_t done = 0;
    for (; done < Size && Where + done < KdProcessorStateSize; done++) {
        Bytes[done] = *KdpStateByte(Stop, static_cast<uint32_t>(Where) + done);
    }
    return done;
}

bool KdpWriteControl(const KD_STOP* Stop, uint64_t Where, const uint8_t* Bytes, uint32_t Size) {
    if (Where >= KdProcessorStateSize || Size > KdProcessorStateSize - Where) {
        return false;
    }
    for (uint32_t i = 0; i < Size; i++) {
        *KdpStateByte(Stop, static_cast<uint32_t>(Where) + i) = Bytes[i];
    }
    return true;
}
