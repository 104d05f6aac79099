// The framing layer of the debugger's target side: packets, ids, acknowledgement, time-outs, resends and resets over a
// pipe of bytes. It knows nothing of the machine, so that it is tested on the host.
#pragma once

#include "kdwire.h"

// A pipe of bytes. None of the functions waits for the other end.
struct KD_PIPE {
    // Takes up to Size bytes that have arrived; 0 when there are none. A call that returns 0 is one poll.
    uint32_t (*Get)(uint8_t* Bytes, uint32_t Size);
    // Hands over all bytes; what cannot be sent is lost, as on a serial line.
    void (*Put)(const uint8_t* Bytes, uint32_t Size);
    // Time is counted in polls, and what Idle takes counts as so many.
    uint32_t PollsPerMillisecond;
    // Optional. Sleeps so long, whatever arrives meanwhile; false when it cannot.
    bool (*Idle)(uint32_t Milliseconds) = nullptr;
};

enum KD_RECEIVE_STATUS {
    KdPacketReceived,
    KdPacketTimedOut,
    KdPacketNeedsResend,
};

// A message that has arrived. Header holds the fixed part for its type, Data what follows it.
struct KD_MESSAGE {
    uint16_t Type;
    uint32_t HeaderSize;
    uint32_t DataSize;
    uint8_t* Header;
    uint8_t* Data;
};

extern "C" {
extern const KD_PIPE* KdpPipe;
extern uint32_t KdpTransmitId; // id of the next data packet to send, with the SYNC bit until the first acknowledgement
extern uint32_t KdpReceiveId;  // id expected next
extern uint32_t KdpPacketRetries; // sends of a message that may be given up
extern uint32_t KdpAckTimeout;    // milliseconds until an unacknowledged packet is repeated
extern uint32_t KdpByteTimeout;   // milliseconds within which the next byte of a packet must come
extern bool KdpControlCPending;   // a break-in byte was seen while packets were exchanged
extern bool KdpDebuggerHeard;     // a packet has arrived since the start
extern uint8_t KdDebuggerNotPresent;
}

// Starts both streams afresh over Pipe; the first packet sent carries the SYNC bit.
void KdpStartLink(const KD_PIPE* Pipe);

// Sends one message of a fixed part and data, and waits for its acknowledgement. A message that may be given up (a
// print, a load-symbols state change, an open of a file) is sent KdpPacketRetries times, after which
// KdDebuggerNotPresent is set; others are repeated without end.
void KdSendPacket(uint16_t Type, const uint8_t* Header, uint32_t HeaderSize, const uint8_t* Data, uint32_t DataSize);

// Receives the next message of Type. KdPacketNeedsResend: the other end asks for the last message again, has reset the
// link, or poked with a break-in byte; the caller repeats what it waits on. KdPacketTimedOut: nothing has come for
// KdpAckTimeout.
KD_RECEIVE_STATUS KdReceivePacket(uint16_t Type, KD_MESSAGE* Message);

// Takes at most one byte; true if it is the break-in byte. For the clock tick of the running system.
bool KdpPollForBreakIn();
