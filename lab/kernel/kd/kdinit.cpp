// Start of the debugger's target side.
#include "kdp.h"
#include "kdpipe.h"
#include "ki.h"

extern "C" {
BOOLEAN KdDebuggerEnabled;
}

// Bytes as a firmware or a boot loader leaves them on the line, with runs that nearly are a leader.
static const char KdpNoise[] = "\r\nLab firmware 1.000 iii 000i0i ready\r\n\xFF\x80\x30\x30\x30\x69\x69\x69\x00";

VOID KdInitSystem(VOID) {
    KdpInitializeIdle();
    const KD_PIPE* pipe = nullptr;
    if (KeBootOptionIs("kd", "virtio", TRUE)) {
        pipe = KdpOpenVirtioConsole();
        if (pipe == nullptr) {
            HalpDebugPuts("KD: no virtio console, trying COM1\n");
        }
    }
    if (pipe == nullptr) {
        pipe = KdpOpenSerial();
    }
    if (pipe == nullptr) {
        HalpDebugPuts("KD: no pipe\n");
        KdDebuggerNotPresent = TRUE;
        return;
    }
    KdpHideContextEx = KeBootOptionIs("kdnoex", "on", !KdpHasContextEx) != 0;
    KdpLikeReactOs = KeBootOptionIs("kdlike", "reactos", FALSE) != 0;
    KdpStartLink(pipe);
    if (KeBootOptionIs("noise", "on", FALSE)) {
        pipe->Put(reinterpret_cast<const uint8_t*>(KdpNoise), sizeof KdpNoise);
    }
    KdDebuggerEnabled = TRUE;
}
