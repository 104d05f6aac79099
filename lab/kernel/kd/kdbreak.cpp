// The breakpoint table. An entry keeps the byte that its breakpoint instruction displaced; one whose page is not there
// is owed and planted when it can be.
#include "kdp.h"

extern "C" {
KD_BREAKPOINT KdpBreakpointTable[KdBreakpointTableSize];
static bool KdpOweBreakpoint;
}

constexpr uint32_t KdWriteRecordSize = 16; // address (8), handle (4), padding
constexpr uint32_t KdRestoreRecordSize = 4;

static bool KdpPlant(KD_BREAKPOINT* Breakpoint) {
    uint8_t content;
    if (KdpReadVirtual(Breakpoint->Address, &content, 1) != 1 ||
        KdpWriteVirtual(Breakpoint->Address, &KdpBreakpointInstruction, 1) != 1) {
        return false;
    }
    Breakpoint->Content = content;
    Breakpoint->State = KdBreakpointPlanted;
    return true;
}

uint32_t KdpAddBreakpoint(uint64_t Address) {
    Address = KdpCanonicalAddress(Address);
    KD_BREAKPOINT* entry = nullptr;
    uint32_t handle = 0;
    for (uint32_t i = 0; i < KdBreakpointTableSize; i++) {
        KD_BREAKPOINT* candidate = &KdpBreakpointTable[i];
        if (candidate->State == KdBreakpointFree) {
            if (entry == nullptr) {
                entry = candidate;
                handle = i + 1;
            }
        } else if (candidate->Address == Address) {
            return 0;
        }
    }
    if (entry == nullptr) {
        return 0;
    }
    entry->Address = Address;
    if (!KdpPlant(entry)) {
        entry->State = KdBreakpointOwed;
        KdpOweBreakpoint = true;
    }
    return handle;
}

bool KdpDeleteBreakpoint(uint32_t Handle) {
    if (Handle == 0 || Handle > KdBreakpointTableSize) {
        return false;
    }
    KD_BREAKPOINT* entry = &KdpBreakpointTable[Handle - 1];
    if (entry->State == KdBreakpointFree) {
        return false;
    }
    uint8_t now;
    // Memory that no longer holds the breakpoint is another's: its page has gone, or was used again.
    if (entry->State == KdBreakpointPlanted && KdpReadVirtual(entry->Address, &now, 1) == 1 &&
        now == KdpBreakpointInstruction) {
        KdpWriteVirtual(entry->Address, &entry->Content, 1);
    }
    entry->State = KdBreakpointFree;
    return true;
}

void KdpDeleteBreakpointRange(uint64_t First, uint64_t Last) {
    for (uint32_t i = 0; i < KdBreakpointTableSize; i++) {
        const KD_BREAKPOINT* entry = &KdpBreakpointTable[i];
        if (entry->State != KdBreakpointFree && entry->Address - First <= Last - First) {
            KdpDeleteBreakpoint(i + 1);
        }
    }
}

void KdpPlantOwedBreakpoints() {
    if (!KdpOweBreakpoint) {
        return;
    }
    KdpOweBreakpoint = false;
    for (KD_BREAKPOINT& entry : KdpBreakpointTable) {
        if (entry.State == KdBreakpointOwed && !KdpPlant(&entry)) {
            KdpOweBreakpoint = true;
        }
    }
}

void KdpServeWriteBreakpoint(KD_MESSAGE* Message) {
    uint8_t* fields = Message->Header + KdUnion;
    uint32_t handle = KdpAddBreakpoint(KdGet64(fields));
    KdPut32(fields + 8, handle);
    KdpReply(Message, handle != 0 ? KdStatusSuccess : KdStatusUnsuccessful, nullptr, 0);
}

void KdpServeRestoreBreakpoint(KD_MESSAGE* Message) {
    bool done = KdpDeleteBreakpoint(KdGet32(Message->Header + KdUnion));
    KdpReply(Message, done ? KdStatusSuccess : KdStatusUnsuccessful, nullptr, 0);
}

// The forms for several breakpoints: count (4), continue status (4), then an array, which is returned with the handles
// filled in. One failure makes the whole a failure; the others are carried out all the same.
static uint32_t KdpCheckedCount(KD_MESSAGE* Message, uint32_t RecordSize) {
    uint32_t count = KdGet32(Message->Header + KdUnion);
    return count <= KdBreakpointTableSize && count * RecordSize == Message->DataSize ? count : 0;
}

void KdpServeWriteBreakpointEx(KD_MESSAGE* Message) {
    uint32_t count = KdpCheckedCount(Message, KdWriteRecordSize);
    uint32_t status = count != 0 ? KdStatusSuccess : KdStatusUnsuccessful;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t* record = Message->Data + i * KdWriteRecordSize;
        uint32_t handle = KdpAddBreakpoint(KdGet64(record));
        KdPut32(record + 8, handle);
        if (handle == 0) {
            status = KdStatusUnsuccessful;
        }
    }
    KdpReply(Message, status, Message->Data, count * KdWriteRecordSize);
}

void KdpServeRestoreBreakpointEx(KD_MESSAGE* Message) {
    uint32_t count = KdpCheckedCount(Message, KdRestoreRecordSize);
    uint32_t status = count != 0 ? KdStatusSuccess : KdStatusUnsuccessful;
    for (uint32_t i = 0; i < count; i++) {
        if (!KdpDeleteBreakpoint(KdGet32(Message->Data + i * KdRestoreRecordSize))) {
            status = KdStatusUnsuccessful;
        }
    }
    KdpReply(Message, status, Message->Data, count * KdRestoreRecordSize);
}
