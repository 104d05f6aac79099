#include "kdlink.h"

extern "C" {
const KD_PIPE* KdpPipe;
uint32_t KdpTransmitId;
uint32_t KdpReceiveId;
uint32_t KdpPacketRetries = 20;
uint32_t KdpAckTimeout = 60;
uint32_t KdpByteTimeout = 500;
bool KdpControlCPending;
bool KdpDebuggerHeard;
uint8_t KdDebuggerNotPresent;
}

// With a debugger known to be there it is worth waiting longer, because it may be short of processor time.
constexpr uint32_t KdpAckTimeoutConnected = 300;

// Silence after which the wait for a packet sleeps between polls: longer than a debugger takes from one request to the
// next, so that it never meets a sleeping target while it works.
constexpr uint32_t KdpIdleAfter = 20;
// One sleep is this part of the silence, so that an answer is late by little of what the debugger took itself, up to
// what nobody notices at a prompt.
constexpr uint32_t KdpIdlePart = 50;
constexpr uint32_t KdpIdleLongest = 5;

static uint8_t KdpSendFrame[KdMaximumFrame];
static uint8_t KdpReceiveFrame[KdMaximumFrame];

// The run of equal leader bytes seen last; kept between calls, because a time-out may fall into a leader.
static uint8_t KdpLeaderByte;
static uint32_t KdpLeaderCount;

// Polls in vain since something new was sent or a byte came; kept between calls, because a silence is longer than a
// time-out, and a packet that is repeated to nobody does not end it.
static uint64_t KdpSilence;

void KdpStartLink(const KD_PIPE* Pipe) {
    KdpPipe = Pipe;
    KdpTransmitId = KdInitialPacketId | KdSyncPacketId;
    KdpReceiveId = KdInitialPacketId;
    KdpControlCPending = false;
    KdpDebuggerHeard = false;
    KdDebuggerNotPresent = 0;
    KdpLeaderCount = 0;
    KdpSilence = 0;
}

static uint32_t KdpHeaderSizeOf(uint16_t Type) {
    switch (Type) {
    case KdTypeStateManipulate: return KdManipulateSize;
    case KdTypeDebugIo: return KdDebugIoSize;
    case KdTypeFileIo: return KdFileIoSize;
    default: return 0;
    }
}

static uint32_t KdpChecksum(const uint8_t* Bytes, uint32_t Size) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < Size; i++) {
        sum += Bytes[i];
    }
    return sum;
}

static void KdpSendControl(uint16_t Type, uint32_t Id) {
    uint8_t frame[KdPacketHeaderSize];
    __builtin_memset(frame, KdControlLeader, KdLeaderSize);
    KdPut16(frame + 4, Type);
    KdPut16(frame + 6, 0);
    KdPut32(frame + 8, Id);
    KdPut32(frame + 12, 0);
    KdpPipe->Put(frame, sizeof frame);
}

// Gets Size bytes, each of which may take Timeout milliseconds; false when one does not come.
static bool KdpGetBytes(uint8_t* Bytes, uint32_t Size, uint32_t Timeout) {
    uint64_t patience = static_cast<uint64_t>(Timeout) * KdpPipe->PollsPerMillisecond;
    uint64_t polls = 0;
    uint32_t got = 0;
    while (got < Size) {
        uint32_t more = KdpPipe->Get(Bytes + got, Size - got);
        if (more != 0) {
            got += more;
            polls = 0;
        } else if (++polls > patience) {
            return false;
        }
    }
    return true;
}

static uint32_t KdpTimeout() {
    return KdpDebuggerHeard && KdpAckTimeout < KdpAckTimeoutConnected ? KdpAckTimeoutConnected : KdpAckTimeout;
}

// Passes the time between two polls; returns how many polls it stands for.
static uint64_t KdpPause() {
    uint64_t silence = KdpSilence / KdpPipe->PollsPerMillisecond;
    if (KdpPipe->Idle == nullptr || silence < KdpIdleAfter) {
        return 1;
    }
    uint32_t sleep =
        silence < KdpIdlePart * KdpIdleLongest ? static_cast<uint32_t>(silence / KdpIdlePart) : KdpIdleLongest;
    sleep = sleep == 0 ? 1 : sleep;
    return KdpPipe->Idle(sleep) ? static_cast<uint64_t>(sleep) * KdpPipe->PollsPerMillisecond : 1;
}

// Waits for one byte between packets; false when none comes in time.
static bool KdpAwaitByte(uint8_t* Byte) {
    uint64_t patience = static_cast<uint64_t>(KdpTimeout()) * KdpPipe->PollsPerMillisecond;
    uint64_t polls = 0;
    while (KdpPipe->Get(Byte, 1) == 0) {
        uint64_t passed = KdpPause();
        KdpSilence += passed;
        polls += passed;
        if (polls > patience) {
            return false;
        }
    }
    KdpSilence = 0;
    return true;
}

// Reads up to the end of a leader and gives its byte. A break-in byte on the way is remembered and asks for a resend.
static KD_RECEIVE_STATUS KdpReceiveLeader(uint8_t* Leader) {
    uint8_t byte;
    while (KdpAwaitByte(&byte)) {
        if (byte == KdDataLeader || byte == KdControlLeader) {
            KdpLeaderCount = KdpLeaderCount != 0 && byte == KdpLeaderByte ? KdpLeaderCount + 1 : 1;
            KdpLeaderByte = byte;
            if (KdpLeaderCount == KdLeaderSize) {
                KdpLeaderCount = 0;
                KdpDebuggerHeard = true;
                KdDebuggerNotPresent = 0;
                *Leader = byte;
                return KdPacketReceived;
            }
        } else {
            KdpLeaderCount = 0;
            if (byte == KdBreakInByte) {
                KdpControlCPending = true;
                return KdPacketNeedsResend;
            }
        }
    }
    return KdPacketTimedOut;
}

static void KdpRestartIds(uint32_t Sync) {
    KdpTransmitId = KdInitialPacketId | Sync;
    KdpReceiveId = KdInitialPacketId;
}

static void KdpAdvanceTransmitId() {
    KdpTransmitId = (KdpTransmitId ^ 1) & ~KdSyncPacketId;
}

enum KD_STEP { KdStepDone, KdStepResend, KdStepHunt };

// The rest of a control packet whose leader has been read.
static KD_STEP KdpReceiveControl(uint16_t Wanted) {
    uint8_t* header = KdpReceiveFrame;
    if (!KdpGetBytes(header + 4, 2, KdpByteTimeout)) {
        return KdStepHunt;
    }
    uint16_t type = KdGet16(header + 4);
    if (type == KdTypeResend) {
        return KdStepResend; // at once: the ten bytes that follow are dropped by the next hunt for a leader
    }
    if (!KdpGetBytes(header + 6, KdPacketHeaderSize - 6, KdpByteTimeout)) {
        return KdStepHunt;
    }
    if (type == KdTypeReset) {
        KdpRestartIds(0);
        KdpSendControl(KdTypeReset, 0);
        return KdStepResend;
    }
    bool ours = KdGet32(header + 8) == (KdpTransmitId & ~KdSyncPacketId);
    if (type == KdTypeAcknowledge && Wanted == KdTypeAcknowledge && ours) {
        KdpAdvanceTransmitId();
        return KdStepDone;
    }
    return KdStepHunt;
}

// The rest of a data packet whose leader has been read. While an acknowledgement is waited for, a data packet stands
// for it: the other end must have received ours to go on. That data packet is refused, to be sent again when it can be
// served.
static KD_STEP KdpReceiveData(uint16_t Wanted, KD_MESSAGE* Message) {
    uint8_t* frame = KdpReceiveFrame;
    if (!KdpGetBytes(frame + 4, KdPacketHeaderSize - 4, KdpByteTimeout)) {
        KdpSendControl(KdTypeResend, 0);
        return KdStepHunt;
    }
    if (Wanted == KdTypeAcknowledge) {
        KdpSendControl(KdTypeResend, 0);
        KdpAdvanceTransmitId();
        return KdStepDone;
    }
    uint16_t type = KdGet16(frame + 4);
    uint32_t size = KdGet16(frame + 6);
    uint32_t id = KdGet32(frame + 8);
    uint32_t headerSize = KdpHeaderSizeOf(type);
    uint8_t* payload = frame + KdPacketHeaderSize;
    bool good = size <= KdMaximumPayload && size >= headerSize;
    good = good && KdpGetBytes(payload, size + 1, KdpByteTimeout);
    good = good && payload[size] == KdTrailer && KdpChecksum(payload, size) == KdGet32(frame + 12);
    if (!good) {
        KdpSendControl(KdTypeResend, 0);
        return KdStepHunt;
    }
    KdpSendControl(KdTypeAcknowledge, id & ~KdSyncPacketId);
    if (id != KdpReceiveId) {
        return KdStepHunt; // a repetition of what was served already
    }
    KdpReceiveId ^= 1;
    if (type != Wanted) {
        return KdStepHunt;
    }
    *Message = {type, headerSize, size - headerSize, payload, payload + headerSize};
    return KdStepDone;
}

KD_RECEIVE_STATUS KdReceivePacket(uint16_t Type, KD_MESSAGE* Message) {
    for (;;) {
        uint8_t leader;
        KD_RECEIVE_STATUS status = KdpReceiveLeader(&leader);
        if (status != KdPacketReceived) {
            return status;
        }
        KD_STEP step = leader == KdControlLeader ? KdpReceiveControl(Type) : KdpReceiveData(Type, Message);
        if (step != KdStepHunt) {
            return step == KdStepDone ? KdPacketReceived : KdPacketNeedsResend;
        }
    }
}

static bool KdpMayGiveUp(uint16_t Type, const uint8_t* Header) {
    uint32_t what = KdGet32(Header);
    switch (Type) {
    case KdTypeDebugIo: return what == KdPrintString;
    case KdTypeStateChange64: return what == KdStateLoadSymbols;
    case KdTypeFileIo: return what == KdCreateFile;
    default: return false;
    }
}

// Builds the whole packet in one piece, because a pipe may cost per piece. Returns its size; the id is filled in when
// it is sent.
static uint32_t KdpBuildFrame(uint16_t Type, const uint8_t* Header, uint32_t HeaderSize, const uint8_t* Data,
                              uint32_t DataSize) {
    uint8_t* payload = KdpSendFrame + KdPacketHeaderSize;
    uint32_t size = HeaderSize + DataSize;
    __builtin_memset(KdpSendFrame, KdDataLeader, KdLeaderSize);
    KdPut16(KdpSendFrame + 4, Type);
    KdPut16(KdpSendFrame + 6, static_cast<uint16_t>(size));
    __builtin_memcpy(payload, Header, HeaderSize);
    if (DataSize != 0) {
        __builtin_memcpy(payload + HeaderSize, Data, DataSize);
    }
    KdPut32(KdpSendFrame + 12, KdpChecksum(payload, size));
    payload[size] = KdTrailer;
    return KdPacketHeaderSize + size + 1;
}

void KdSendPacket(uint16_t Type, const uint8_t* Header, uint32_t HeaderSize, const uint8_t* Data, uint32_t DataSize) {
    if (DataSize > KdMaximumPayload - HeaderSize) {
        DataSize = KdMaximumPayload - HeaderSize;
    }
    uint32_t size = KdpBuildFrame(Type, Header, HeaderSize, Data, DataSize);
    bool mayGiveUp = KdpMayGiveUp(Type, Header);
    uint32_t retries = KdpPacketRetries;
    KdpSilence = 0;
    for (;;) {
        if (mayGiveUp && retries == 0) {
            KdDebuggerNotPresent = 1;
            KdpDebuggerHeard = false;
            KdpRestartIds(KdSyncPacketId);
            return;
        }
        KdPut32(KdpSendFrame + 8, KdpTransmitId); // each time: a reset in between restarts the ids
        KdpPipe->Put(KdpSendFrame, size);
        KD_MESSAGE unused;
        KD_RECEIVE_STATUS status = KdReceivePacket(KdTypeAcknowledge, &unused);
        if (status == KdPacketReceived) {
            return;
        }
        if (status == KdPacketTimedOut) {
            retries--;
        }
    }
}

bool KdpPollForBreakIn() {
    uint8_t byte;
    return KdpPipe != nullptr && KdpPipe->Get(&byte, 1) != 0 && byte == KdBreakInByte;
}
