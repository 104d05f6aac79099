// Hands QEMU the header of a crash dump, as the fwcfg driver of Windows does, so that its `dump-guest-memory` can write
// the machine's memory in the form of a Windows dump (format win-dmp) or put the header into an ELF core. The machine
// needs
// `-device vmcoreinfo` for it; without that nothing happens here. Facts: QEMU's docs/specs/fw_cfg and vmcoreinfo; the
// header's offsets from the Windows SDK, mindumpdef.h.
#include "../kdblock.h"
#include "../pc/instructions.h"

extern "C" _KDDEBUGGER_DATA64 KdDebuggerDataBlock;

constexpr USHORT KiConfigSelector = 0x510, KiConfigData = 0x511, KiConfigDmaHigh = 0x514, KiConfigDmaLow = 0x518;
constexpr USHORT KiConfigSignature = 0x00, KiConfigProcessors = 0x05, KiConfigDirectory = 0x19;
constexpr ULONG KiConfigDmaSelect = 0x08, KiConfigDmaWrite = 0x10;
constexpr ULONG KiConfigMostFiles = 256;
constexpr ULONG KiConfigNameSize = 56;

// One piece of physical memory: an ELF note with the header in it, what QEMU is told of it, and how it is told.
constexpr ULONG KiNoteHeader = 24, KiDumpHeader = 0x2000;
constexpr ULONG KiNoteSize = KiNoteHeader + KiDumpHeader;
constexpr ULONG KiNoteFacts = 0x2100, KiNoteAccess = 0x2200, KiNotePages = 3;
constexpr ULONG KiDumpFill = 0x45474150; // "PAGE" in all fields that nobody sets
constexpr ULONG KiMostDumpRuns = 42;

static INIT_FUNCTION VOID KiSelectConfig(USHORT Key) {
    __asm__ volatile("outw %0, %1" : : "a"(Key), "Nd"(KiConfigSelector));
}

static INIT_FUNCTION ULONG KiReadConfig(ULONG Bytes) { // first byte lowest
    ULONG value = 0;
    for (ULONG i = 0; i < Bytes; i++) {
        value |= static_cast<ULONG>(KiReadPort(KiConfigData)) << 8 * i;
    }
    return value;
}

// The key of the file "etc/vmcoreinfo"; 0: the machine has none.
static INIT_FUNCTION USHORT KiFindDumpFile(VOID) {
    KiSelectConfig(KiConfigSignature);
    if (KiReadConfig(4) != 0x554D4551) { // "QEMU"
        return 0;
    }
    KiSelectConfig(KiConfigDirectory);
    ULONG count = __builtin_bswap32(KiReadConfig(4));
    for (ULONG i = 0; i < count && i < KiConfigMostFiles; i++) {
        KiReadConfig(4); // its size
        USHORT key = __builtin_bswap16(static_cast<USHORT>(KiReadConfig(2)));
        KiReadConfig(2);
        // In numbers, for a text would lie outside of INIT.
        const ULONG name[] = {KiReadConfig(4), KiReadConfig(4), KiReadConfig(4), KiReadConfig(4)};
        for (ULONG rest = sizeof(name); rest < KiConfigNameSize; rest += sizeof(ULONG)) {
            KiReadConfig(4);
        }
        if (name[0] == 0x2F637465 && name[1] == 0x6F636D76 && name[2] == 0x6E696572 && name[3] == 0x00006F66) {
            return key; // "etc/" "vmco" "rein" "fo"
        }
    }
    return 0;
}

static INIT_FUNCTION VOID KiPutNumber(ULONG64 Physical, ULONG64 Value, SIZE_T Bytes) {
    MmDbgCopyMemory(Physical, &Value, Bytes, MMDBG_COPY_WRITE | MMDBG_COPY_PHYSICAL);
}

static INIT_FUNCTION VOID KiFillDumpHeader(ULONG64 Header) {
    for (ULONG at = 0; at < KiDumpHeader; at += sizeof(ULONG)) {
        KiPutNumber(Header + at, KiDumpFill, sizeof(ULONG));
    }
    KiSelectConfig(KiConfigProcessors);
    KiPutNumber(Header + 0x04, 0x34365544, 4); // "DU64"
    KiPutNumber(Header + 0x08, 0xF, 4);
    KiPutNumber(Header + 0x0C, NtBuildNumber & 0xFFFF, 4);
    KiPutNumber(Header + 0x10, KiReadCr3(), 8);
    KiPutNumber(Header + 0x18, reinterpret_cast<ULONG64>(&MmPfnDatabase), 8);
    KiPutNumber(Header + 0x20, reinterpret_cast<ULONG64>(&PsLoadedModuleList), 8);
    KiPutNumber(Header + 0x28, reinterpret_cast<ULONG64>(&PsActiveProcessHead), 8);
    KiPutNumber(Header + 0x30, 0x8664, 4);
    KiPutNumber(Header + 0x34, KiReadConfig(2), 4);
    for (ULONG at = 0x38; at < 0x60; at += sizeof(ULONG64)) {
        KiPutNumber(Header + at, 0, 8); // the bug check and its parameters
    }
    KiPutNumber(Header + 0x80, reinterpret_cast<ULONG64>(&KdDebuggerDataBlock), 8);
    ULONG runs =
        MmPhysicalMemoryBlock->NumberOfRuns < KiMostDumpRuns ? MmPhysicalMemoryBlock->NumberOfRuns : KiMostDumpRuns;
    KiPutNumber(Header + 0x88, runs, 8);
    KiPutNumber(Header + 0x90, MmPhysicalMemoryBlock->NumberOfPages, 8);
    for (ULONG i = 0; i < runs; i++) {
        KiPutNumber(Header + 0x98 + i * 16, MmPhysicalMemoryBlock->Run[i].BasePage, 8);
        KiPutNumber(Header + 0xA0 + i * 16, MmPhysicalMemoryBlock->Run[i].PageCount, 8);
    }
    KiPutNumber(Header + 0x348 + 0x30, 0, 4); // no registers here: QEMU puts them where the PRCBs point
    KiPutNumber(Header + 0xF00, 0, 4);        // and no exception
    KiPutNumber(Header + 0xF98, 1, 4);        // a full dump
    KiPutNumber(Header + 0x1040, 1, 4);       // of a workstation
}

extern "C" INIT_FUNCTION VOID KiPublishDumpHeader(VOID) {
    USHORT key = KiFindDumpFile();
    ULONG64 note = key == 0 ? 0 : MmReserveContiguousFrames(KiNotePages);
    if (note == 0) {
        return;
    }
    KiPutNumber(note, 11, 4); // with its end
    KiPutNumber(note + 4, KiDumpHeader, 4);
    KiPutNumber(note + 8, 0, 4);
    KiPutNumber(note + 12, 0x4E4945524F434D56ULL, 8);
    KiPutNumber(note + 20, 0x00004F46, 4); // "VMCOREINFO"
    KiFillDumpHeader(note + KiNoteHeader);

    KiPutNumber(note + KiNoteFacts, 1ULL << 16, 4); // formats of host and guest: 1 is ELF
    KiPutNumber(note + KiNoteFacts + 4, KiNoteSize, 4);
    KiPutNumber(note + KiNoteFacts + 8, note, 8);
    KiPutNumber(note + KiNoteAccess,
                __builtin_bswap32(static_cast<ULONG>(key) << 16 | KiConfigDmaSelect | KiConfigDmaWrite), 4);
    KiPutNumber(note + KiNoteAccess + 4, __builtin_bswap32(16), 4);
    KiPutNumber(note + KiNoteAccess + 8, __builtin_bswap64(note + KiNoteFacts), 8);
    ULONG64 access = note + KiNoteAccess;
    __asm__ volatile("outl %0, %w1" : : "a"(__builtin_bswap32(static_cast<ULONG>(access >> 32))), "d"(KiConfigDmaHigh));
    __asm__ volatile("outl %0, %w1"
                     :
                     : "a"(__builtin_bswap32(static_cast<ULONG>(access))), "d"(KiConfigDmaLow)
                     : "memory");
}
