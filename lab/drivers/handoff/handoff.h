// Packets that handoff.sys allocates and receiver.sys frees: neither leaks, but each alone looks as if it did, or as if
// it freed what it never had. Each counts its half; the sums are what is alive.
#pragma once

#include "../counted.h"

constexpr ULONG HANDOFF_TAG = DriverTag("HndP");

struct HANDOFF_PACKET {
    HANDOFF_PACKET* Next;
    SIZE_T Bytes;
};

// A packet that waits, or null. It is the caller's from now on.
extern "C" HANDOFF_PACKET* HandoffTakePacket(VOID);
