// Instructions that call the debugger.
#include "asm.inc"

    .text
    FUNCTION _DbgBreakPoint@0, 0
    .cv_fpo_endprologue
    int 3
    ret
    END_FUNCTION _DbgBreakPoint@0

// VOID DbgBreakPointWithStatus(ULONG Status): the debugger finds the status in eax and knows the address of the
// breakpoint from the data block (BreakpointWithStatus).
    FUNCTION _DbgBreakPointWithStatus@4, 4
    .cv_fpo_endprologue
    mov eax, [esp + 4]
    LABEL _RtlpBreakWithStatusInstruction@0
    int 3
    ret 4
    END_FUNCTION _DbgBreakPointWithStatus@4

// ULONG_PTR DebugService2(PVOID Argument1, ULONG_PTR Argument2, ULONG Service). The trap returns to the int3; the
// kernel's debugger support skips it. This one keeps an ebp frame.
    FUNCTION _DebugService2@12, 12
    push ebp
    .cv_fpo_pushreg ebp
    mov ebp, esp
    .cv_fpo_setframe ebp
    .cv_fpo_endprologue
    mov eax, [ebp + 16]
    mov ecx, [ebp + 8]
    mov edx, [ebp + 12]
    int 0x2D
    int 3
    pop ebp
    ret 12
    END_FUNCTION _DebugService2@12
