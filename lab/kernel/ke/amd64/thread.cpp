// The stack of a thread that has not run yet.
#include "../ke.h"

// What KiStartSystemThread finds on the stack of a new thread.
struct KSTART_FRAME {
    KSWITCH_FRAME Switch; // its return address is KiStartSystemThread
    PVOID SystemRoutine;
    PVOID StartRoutine;
    PVOID StartContext;
    PVOID Home[2];
    ULONG64 Return; // zero: no caller
};

static_assert(__builtin_offsetof(KSTART_FRAME, Return) - __builtin_offsetof(KSTART_FRAME, SystemRoutine) == 0x28);

// KiStartSystemThread runs with the stack pointer at SystemRoutine and calls from there, so that must be a multiple
// of 16.
constexpr SIZE_T KiStartFrameRoom = 0x80;
static_assert((KiStartFrameRoom - __builtin_offsetof(KSTART_FRAME, SystemRoutine)) % 16 == 0 &&
              sizeof(KSTART_FRAME) <= KiStartFrameRoom);

extern "C" VOID KiInitializeContextThread(PKTHREAD Thread, PVOID StackTop, PVOID SystemRoutine, PVOID StartRoutine,
                                          PVOID StartContext) {
    KSTART_FRAME* frame = reinterpret_cast<KSTART_FRAME*>(static_cast<PUCHAR>(StackTop) - KiStartFrameRoom);
    memset(frame, 0, sizeof(*frame));
    frame->Switch.Return = reinterpret_cast<ULONG64>(KiStartSystemThread);
    frame->SystemRoutine = SystemRoutine;
    frame->StartRoutine = StartRoutine;
    frame->StartContext = StartContext;
    Thread->KernelStack = frame;
}
