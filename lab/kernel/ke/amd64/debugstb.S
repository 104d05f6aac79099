// Instructions that call the debugger.
#include "asm.inc"

    .text
    FUNCTION DbgBreakPoint
    .seh_endprologue
    int 3
    ret
    END_FUNCTION

// VOID DbgBreakPointWithStatus(ULONG Status): the debugger finds the status in ecx and knows the address of the breakpoint
// from the data block (BreakpointWithStatus).
    FUNCTION DbgBreakPointWithStatus
    .seh_endprologue
    int 3
    ret
    END_FUNCTION

// ULONG_PTR DebugService2(PVOID Argument1, ULONG_PTR Argument2, ULONG Service). The trap returns to the int3; the kernel's
// debugger support skips it.
    FUNCTION DebugService2
    .seh_endprologue
    mov eax, r8d
    int 0x2D
    int 3
    ret
    END_FUNCTION
