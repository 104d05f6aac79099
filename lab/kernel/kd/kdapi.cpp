// The requests a stopped target serves, but for memory, contexts and breakpoints, which have their own files.
#include "kdp.h"

static uint8_t KdpControlBuffer[0x400]; // larger than any control space

constexpr uint8_t KdpStaleByte = 0xDB;
constexpr uint32_t KdInterfaceIsa = 1;
constexpr uint32_t KdAddressSpacePorts = 1;

void KdpReply(KD_MESSAGE* Message, uint32_t Status, const void* Data, uint32_t DataSize) {
    // A copy, because the receive buffer may be used again while the answer waits for its acknowledgement.
    uint8_t header[KdManipulateSize];
    __builtin_memcpy(header, Message->Header, sizeof header);
    KdPut32(header + KdStatusField, Status);
    KdSendPacket(KdTypeStateManipulate, header, sizeof header, static_cast<const uint8_t*>(Data), DataSize);
}

// The processor that a request is about: the one that reports, or one that stands; null when there is none such.
static const KD_STOP* KdpProcessorOf(const KD_STOP* Stop, const KD_MESSAGE* Message, KD_STOP* Other) {
    uint16_t processor = KdGet16(Message->Header + KdProcessorField);
    if (processor == Stop->Processor) {
        return Stop;
    }
    if (processor >= Stop->NumberProcessors) {
        return nullptr;
    }
    *Other = *Stop;
    Other->Processor = processor;
    Other->Context = KdpSavedContext(processor);
    Other->Special = KdpSavedSpecial(processor);
    return Other;
}

static void KdpServeReadControl(const KD_STOP* Stop, KD_MESSAGE* Message) {
    uint8_t* fields = Message->Header + KdUnion;
    uint32_t wanted = KdGet32(fields + 8);
    uint32_t done = 0;
    if (Stop != nullptr) {
        // ReactOS tells and sends all of the structure: what was asked for, and stale bytes behind it.
        bool whole = KdpLikeReactOs || wanted > sizeof KdpControlBuffer;
        done = KdpReadControl(Stop, KdGet64(fields), KdpControlBuffer, whole ? sizeof KdpControlBuffer : wanted);
    }
    for (uint32_t i = wanted; i < done; i++) {
        KdpControlBuffer[i] = KdpStaleByte;
    }
    KdPut32(fields + 12, done);
    KdpReply(Message, done != 0 ? KdStatusSuccess : KdStatusUnsuccessful, KdpControlBuffer, done);
}

static void KdpServeWriteControl(const KD_STOP* Stop, KD_MESSAGE* Message) {
    uint8_t* fields = Message->Header + KdUnion;
    uint32_t wanted = KdGet32(fields + 8);
    bool done =
        Stop != nullptr && wanted <= Message->DataSize && KdpWriteControl(Stop, KdGet64(fields), Message->Data, wanted);
    KdPut32(fields + 12, done ? wanted : 0);
    KdpReply(Message, done ? KdStatusSuccess : KdStatusUnsuccessful, nullptr, 0);
}

// Port (8), size (4), value (4); in the extended form size (4), interface (4), bus (4), address space (4), port (8),
// value (4).
static void KdpServePort(KD_MESSAGE* Message, bool Extended, bool Write) {
    uint8_t* fields = Message->Header + KdUnion;
    uint64_t port = KdGet64(fields + (Extended ? 16 : 0));
    uint32_t size = KdGet32(fields + (Extended ? 0 : 8));
    uint8_t* value = fields + (Extended ? 24 : 12);
    uint32_t status = KdStatusSuccess;
    if (Extended && (KdGet32(fields + 4) != KdInterfaceIsa || KdGet32(fields + 8) != 0 ||
                     KdGet32(fields + 12) != KdAddressSpacePorts)) {
        status = KdStatusUnsuccessful;
    } else if ((size != 1 && size != 2 && size != 4) || port > 0xFFFF) {
        status = KdStatusInvalidParameter;
    } else if (port % size != 0) {
        status = KdStatusMisaligned;
    } else if (Write) {
        KdpWritePort(static_cast<uint16_t>(port), size, KdGet32(value));
    } else {
        KdPut32(value, KdpReadPort(static_cast<uint16_t>(port), size));
    }
    KdpReply(Message, status, nullptr, 0);
}

// Register number (4), low half (4), high half (4).
static void KdpServeMsr(KD_MESSAGE* Message, bool Write) {
    uint8_t* fields = Message->Header + KdUnion;
    uint32_t msr = KdGet32(fields);
    bool done;
    if (Write) {
        done = KdpWriteMsr(msr, KdGet64(fields + 4));
    } else {
        uint64_t value = 0;
        done = KdpReadMsr(msr, &value);
        KdPut64(fields + 4, value);
    }
    KdpReply(Message, done ? KdStatusSuccess : KdStatusNoSuchDevice, nullptr, 0);
}

static void KdpServeVersion(KD_MESSAGE* Message) {
    KdpGetVersion(Message->Header + KdUnion);
    KdpReply(Message, KdStatusSuccess, nullptr, 0);
}

// A continue has no answer. One with a failure status passes the exception on and leaves the control set alone.
static KD_CONTINUE KdpServeContinue(const KD_STOP* Stop, const KD_MESSAGE* Message, bool WithControl) {
    const uint8_t* fields = Message->Header + KdUnion;
    if (static_cast<int32_t>(KdGet32(fields)) < 0) {
        return KdContinueUnhandled;
    }
    if (WithControl) {
        KdpSetTrace(Stop, fields);
        for (uint16_t i = 0; i < Stop->NumberProcessors; i++) {
            KdpSetDebugControl(i == Stop->Processor ? Stop->Special : KdpSavedSpecial(i), fields);
        }
    }
    return KdContinueHandled;
}

// Has no answer: the other processor reports, or this one once more.
static KD_CONTINUE KdpServeSwitch(const KD_STOP* Stop, const KD_MESSAGE* Message) {
    KdpSelectedProcessor = KdGet16(Message->Header + KdProcessorField);
    bool other = KdpSelectedProcessor != Stop->Processor && KdpSelectedProcessor < Stop->NumberProcessors;
    return other ? KdContinueSwitch : KdContinueRepeat;
}

// Requests that are answered and leave the machine stopped; false for an unknown one.
static bool KdpServeSimple(const KD_STOP* Reporter, KD_MESSAGE* Message) {
    KD_STOP other;
    const KD_STOP* Stop = KdpProcessorOf(Reporter, Message, &other);
    switch (KdGet32(Message->Header)) {
    case KdApiReadVirtualMemory: KdpServeRead(Message, false); return true;
    case KdApiWriteVirtualMemory: KdpServeWrite(Message, false); return true;
    case KdApiReadPhysicalMemory: KdpServeRead(Message, true); return true;
    case KdApiWritePhysicalMemory: KdpServeWrite(Message, true); return true;
    case KdApiSearchMemory: KdpServeSearch(Message); return true;
    case KdApiFillMemory: KdpServeFill(Message); return true;
    case KdApiQueryMemory: KdpServeQuery(Message); return true;
    case KdApiGetContext: KdpServeGetContext(Stop, Message); return true;
    case KdApiSetContext: KdpServeSetContext(Stop, Message); return true;
    case KdApiWriteBreakPoint: KdpServeWriteBreakpoint(Message); return true;
    case KdApiRestoreBreakPoint: KdpServeRestoreBreakpoint(Message); return true;
    case KdApiWriteBreakPointEx: KdpServeWriteBreakpointEx(Message); return true;
    case KdApiRestoreBreakPointEx: KdpServeRestoreBreakpointEx(Message); return true;
    case KdApiReadControlSpace: KdpServeReadControl(Stop, Message); return true;
    case KdApiWriteControlSpace: KdpServeWriteControl(Stop, Message); return true;
    case KdApiReadIoSpace: KdpServePort(Message, false, false); return true;
    case KdApiWriteIoSpace: KdpServePort(Message, false, true); return true;
    case KdApiReadIoSpaceExtended: KdpServePort(Message, true, false); return true;
    case KdApiWriteIoSpaceExtended: KdpServePort(Message, true, true); return true;
    case KdApiGetVersion: KdpServeVersion(Message); return true;
    case KdApiReadMsr: KdpServeMsr(Message, false); return true;
    case KdApiWriteMsr: KdpServeMsr(Message, true); return true;
    case KdApiGetContextEx:
        if (KdpHideContextEx) return false;
        KdpServeGetContextEx(Stop, Message);
        return true;
    case KdApiSetContextEx:
        if (KdpHideContextEx) return false;
        KdpServeSetContextEx(Stop, Message);
        return true;
    default: return false;
    }
}

KD_CONTINUE KdpServeRequest(const KD_STOP* Stop, KD_MESSAGE* Message) {
    KD_CONTINUE next;
    if (KdpLikeReactOs && KdpServeLikeReactOs(Message, &next)) {
        return next;
    }
    switch (KdGet32(Message->Header)) {
    case KdApiContinue: return KdpServeContinue(Stop, Message, false);
    case KdApiContinue2: return KdpServeContinue(Stop, Message, true);
    case KdApiSwitchProcessor: return KdpServeSwitch(Stop, Message);
    case KdApiClearAllInternalBreakpoints: return KdContinueStay; // no answer, and none are kept
    case KdApiReboot: KdpRestartMachine(); return KdContinueStay;
    case KdApiCauseBugCheck: KdpStartBugCheck(); return KdContinueStay;
    default: break;
    }
    if (!KdpServeSimple(Stop, Message)) {
        KdpReply(Message, KdStatusUnsuccessful, nullptr, 0);
    }
    return KdContinueStay;
}
