// The stack of a thread that has not run yet.
#include "../ke.h"

// What KiStartSystemThread finds on the stack of a new thread.
struct KSTART_FRAME {
    _KSWITCHFRAME Switch; // its return address is KiStartSystemThread
    PVOID SystemRoutine;
    PVOID StartRoutine;
    PVOID StartContext;
    ULONG Return; // zero: no caller
};

constexpr SIZE_T KiStartFrameRoom = 0x40;
static_assert(sizeof(KSTART_FRAME) <= KiStartFrameRoom);

extern "C" VOID KiInitializeContextThread(PKTHREAD Thread, PVOID StackTop, PVOID SystemRoutine, PVOID StartRoutine,
                                          PVOID StartContext) {
    KSTART_FRAME* frame = reinterpret_cast<KSTART_FRAME*>(static_cast<PUCHAR>(StackTop) - KiStartFrameRoom);
    memset(frame, 0, sizeof(*frame));
    frame->Switch.ExceptionList = reinterpret_cast<PVOID>(~ULONG_PTR(0)); // end of the chain
    frame->Switch.RetAddr = reinterpret_cast<PVOID>(KiStartSystemThread);
    frame->SystemRoutine = SystemRoutine;
    frame->StartRoutine = StartRoutine;
    frame->StartContext = StartContext;
    Thread->KernelStack = frame;
}
