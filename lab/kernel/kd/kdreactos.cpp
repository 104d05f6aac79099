// What ReactOS's target side does otherwise than Windows' (boot word kdlike=reactos), as byte logs of its kernels show.
// Several requests end a session there, so a debugger that sends one is found out.
#include "kdp.h"

bool KdpServeLikeReactOs(KD_MESSAGE* Message, KD_CONTINUE* Next) {
    *Next = KdContinueStay;
    switch (KdGet32(Message->Header)) {
    case KdApiWriteBreakPointEx: // refused, and then the target leaves the debugger by itself
        KdpReply(Message, KdStatusUnsuccessful, nullptr, 0);
        *Next = KdContinueUnhandled;
        return true;
    case KdApiGetBusData:
    case KdApiSetBusData:
    case KdApiCheckLowMemory: KdpRestartMachine(); return true;
    case KdApiSearchMemory:
    case KdApiFillMemory:
    case KdApiRestoreBreakPointEx: KdpReply(Message, KdStatusUnsuccessful, nullptr, 0); return true;
    default: return false;
    }
}
