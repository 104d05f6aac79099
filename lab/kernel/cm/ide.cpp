// The primary IDE channel by programmed I/O: enough to read a sector. Every wait is bounded, because a machine without
// a disk answers with what floats on the bus.
#include "cm.h"

constexpr USHORT IdeData = 0x1F0;
constexpr USHORT IdeSectorCount = 0x1F2;
constexpr USHORT IdeLba0 = 0x1F3;
constexpr USHORT IdeLba1 = 0x1F4;
constexpr USHORT IdeLba2 = 0x1F5;
constexpr USHORT IdeDrive = 0x1F6;
constexpr USHORT IdeCommand = 0x1F7; // reads as the status
constexpr USHORT IdeControl = 0x3F6;

constexpr UCHAR IdeBusy = 0x80;
constexpr UCHAR IdeDataRequest = 0x08;
constexpr UCHAR IdeError = 0x01;
constexpr UCHAR IdeMasterLba = 0xE0;
constexpr UCHAR IdeReadSectors = 0x20;
constexpr UCHAR IdeNoInterrupts = 0x02;
constexpr UCHAR IdeFloatingBus = 0xFF;
constexpr ULONG IdePolls = 1000000;

static UCHAR IdeIn(USHORT Port) {
    UCHAR value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(Port));
    return value;
}

static USHORT IdeInWord(USHORT Port) {
    USHORT value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(Port));
    return value;
}

static VOID IdeOut(USHORT Port, UCHAR Value) {
    __asm__ volatile("outb %0, %1" : : "a"(Value), "Nd"(Port));
}

// Waits until the drive is not busy and, with Data, has data; FALSE on an error, without a drive, or when time is over.
static BOOLEAN IdeWait(BOOLEAN Data) {
    for (ULONG i = 0; i < IdePolls; i++) {
        UCHAR status = IdeIn(IdeCommand);
        if (status == IdeFloatingBus || status == 0) {
            return FALSE;
        }
        if ((status & IdeBusy) != 0) {
            continue;
        }
        if ((status & IdeError) != 0) {
            return FALSE;
        }
        if (!Data || (status & IdeDataRequest) != 0) {
            return TRUE;
        }
    }
    return FALSE;
}

BOOLEAN CmpReadSector(ULONG Sector, PUCHAR Buffer) {
    IdeOut(IdeControl, IdeNoInterrupts);
    IdeOut(IdeDrive, static_cast<UCHAR>(IdeMasterLba | (Sector >> 24 & 0x0F)));
    if (!IdeWait(FALSE)) {
        return FALSE;
    }
    IdeOut(IdeSectorCount, 1);
    IdeOut(IdeLba0, static_cast<UCHAR>(Sector));
    IdeOut(IdeLba1, static_cast<UCHAR>(Sector >> 8));
    IdeOut(IdeLba2, static_cast<UCHAR>(Sector >> 16));
    IdeOut(IdeCommand, IdeReadSectors);
    if (!IdeWait(TRUE)) {
        return FALSE;
    }
    for (ULONG i = 0; i < CmSectorBytes; i += 2) {
        USHORT word = IdeInWord(IdeData);
        Buffer[i] = static_cast<UCHAR>(word);
        Buffer[i + 1] = static_cast<UCHAR>(word >> 8);
    }
    return TRUE;
}
