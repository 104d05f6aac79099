// What the protocol has per architecture, for x64: offsets in CONTEXT and KSPECIAL_REGISTERS, the control report,
// Continue2.
#include "../kdp.h"

constexpr uint32_t KdContextSegCs = 0x38;
constexpr uint32_t KdContextEFlags = 0x44;
constexpr uint32_t KdContextRip = 0xF8;
constexpr uint32_t KdSpecialDr6 = 0x40;
constexpr uint32_t KdSpecialDr7 = 0x48;
constexpr uint32_t KdSpecialSize = 0xF0;

constexpr uint32_t KdTrapFlag = 0x100;
constexpr uint16_t KdKernelCode = 0x10;
constexpr uint64_t KdSelectorSpecial = 2;

// Control report: Dr6 (8), Dr7 (8), EFlags (4), InstructionCount (2), ReportFlags (2), InstructionStream (16), CS, DS,
// ES, FS.
constexpr uint16_t KdReportIncludesSegments = 1;
constexpr uint16_t KdReportStandardCs = 2;

// Continue2: ContinueStatus 16, TraceFlag 20, Dr7 24, CurrentSymbolStart 32, CurrentSymbolEnd 40.
constexpr uint32_t KdContinueTraceFlag = 4;
constexpr uint32_t KdContinueDr7 = 8;

const uint8_t KdpBreakpointInstruction = 0xCC;
const uint32_t KdpContextSize = 0x4D0;

uint64_t KdpProgramCounter(const KD_STOP* Stop) {
    return KdGet64(Stop->Context + KdContextRip);
}

void KdpFillControlReport(const KD_STOP* Stop, uint8_t* Report, const uint8_t* Stream, uint32_t StreamSize) {
    uint16_t cs = KdGet16(Stop->Context + KdContextSegCs);
    uint16_t flags = KdReportIncludesSegments;
    if (cs == KdKernelCode) {
        flags |= KdReportStandardCs;
    }
    KdPut64(Report, KdGet64(Stop->Special + KdSpecialDr6));
    KdPut64(Report + 8, KdGet64(Stop->Special + KdSpecialDr7));
    KdPut32(Report + 16, KdGet32(Stop->Context + KdContextEFlags));
    KdPut16(Report + 20, static_cast<uint16_t>(StreamSize));
    KdPut16(Report + 22, flags);
    __builtin_memcpy(Report + 24, Stream, StreamSize);
    __builtin_memcpy(Report + 40, Stop->Context + KdContextSegCs, 8); // CS, DS, ES, FS lie in the same order
}

void KdpSetTrace(const KD_STOP* Stop, const uint8_t* Union) {
    uint32_t eflags = KdGet32(Stop->Context + KdContextEFlags) & ~KdTrapFlag;
    if (KdGet32(Union + KdContinueTraceFlag) != 0) {
        eflags |= KdTrapFlag;
    }
    KdPut32(Stop->Context + KdContextEFlags, eflags);
}

void KdpSetDebugControl(uint8_t* Special, const uint8_t* Union) {
    KdPut64(Special + KdSpecialDr7, KdGet64(Union + KdContinueDr7));
    KdPut64(Special + KdSpecialDr6, 0);
}

uint64_t KdpCanonicalAddress(uint64_t Address) {
    return Address;
}

uint32_t KdpReadControl(const KD_STOP* Stop, uint64_t Where, uint8_t* Bytes, uint32_t Size) {
    uint64_t address = Where == KdSelectorSpecial ? 0 : KdpControlAddress(Stop->Processor, Where);
    const void* source = Where == KdSelectorSpecial ? static_cast<const void*>(Stop->Special) : &address;
    uint32_t size = Where == KdSelectorSpecial ? KdSpecialSize : address != 0 ? sizeof address : 0;
    uint32_t done = Size < size ? Size : size;
    __builtin_memcpy(Bytes, source, done);
    return done;
}

bool KdpWriteControl(const KD_STOP* Stop, uint64_t Where, const uint8_t* Bytes, uint32_t Size) {
    if (Where != KdSelectorSpecial || Size > KdSpecialSize) {
        return false;
    }
    __builtin_memcpy(Stop->Special, Bytes, Size);
    return true;
}
