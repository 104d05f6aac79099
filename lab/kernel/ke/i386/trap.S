// Trap and interrupt entries. Each builds a _KTRAP_FRAME by pushes, on top of what the processor pushed (eflags, cs,
// eip and for some vectors an error code; not esp and ss, for all traps here come from the kernel), and leaves its
// address in ebp for whatever it calls. Interrupts stay off from entry to exit unless said otherwise.
#include "asm.inc"

#define FRAME(member) [ebp + _KTRAP_FRAME_##member]

    .set KERNEL_PCR, 0x30
    .set USER_DATA, 0x23
    .set DEBUG_ARGUMENT_MARK, 0xBADB0D00
    .set EFLAGS_TF, 0x100
    .set FRAME_EDITED, 0xFFF8           // none of these bits in SegCs: the frame has a new esp (KeContextToKframes)

    // The assembler takes `push fs` for 16 bits.
    .macro PUSH_SEGMENT register
    .att_syntax prefix
    pushl %\register
    .intel_syntax noprefix
    .endm

    .macro POP_SEGMENT register
    .att_syntax prefix
    popl %\register
    .intel_syntax noprefix
    .endm

    .macro ENTER_TRAP name, code
    FPO_FUNCTION \name
    .if \code == 0
    push 0                              // in place of an error code
    .endif
    push ebp
    push ebx
    push esi
    push edi
    PUSH_SEGMENT fs
    mov ebx, KERNEL_PCR
    mov fs, ebx
    push dword ptr fs:[0]
    mov dword ptr fs:[0], -1
    push 0                              // previous mode: kernel
    push eax
    push ecx
    push edx
    PUSH_SEGMENT ds
    PUSH_SEGMENT es
    PUSH_SEGMENT gs
    mov ebx, USER_DATA
    mov ds, ebx
    mov es, ebx
    sub esp, _KTRAP_FRAME_SegGs
    mov ebp, esp
    cld
    mov ebx, dword ptr FRAME(Ebp)
    mov esi, dword ptr FRAME(Eip)
    mov dword ptr FRAME(DbgEbp), ebx
    mov dword ptr FRAME(DbgEip), esi
    mov dword ptr FRAME(DbgArgMark), DEBUG_ARGUMENT_MARK
    mov dword ptr FRAME(DbgArgPointer), 0
    mov dword ptr FRAME(TempSegCs), 0
    mov dword ptr FRAME(TempEsp), 0
    .endm

    // A fault that becomes an exception with status \status and no parameters.
    .macro FAULT name, code, status
    ENTER_TRAP \name, \code
    mov eax, \status
    mov ebx, dword ptr FRAME(Eip)
    xor ecx, ecx
    call CommonDispatchException
    END_FPO_FUNCTION \name, FRAME_TRAP
    .endm

    // A trap that nothing recovers from: UNEXPECTED_KERNEL_MODE_TRAP with the vector.
    .macro ABORT name, code, vector
    ENTER_TRAP \name, \code
    push ebp
    push \vector
    call _KiUnexpectedTrap@8
    END_FPO_FUNCTION \name, FRAME_TRAP
    .endm

    // An interrupt: calls \handler with the frame, which raises and lowers the level.
    .macro INTERRUPT name, handler
    ENTER_TRAP \name, 0
    push ebp
    call \handler
    jmp _KiExceptionExit
    END_FPO_FUNCTION \name, FRAME_TRAP
    .endm

    .text
// Exception eax at ebx with ecx parameters in edx, esi, edi; ebp from the trap entry. Makes the exception record,
// hands it on, and resumes by the trap frame, which the debugger may have changed.
    FUNCTION CommonDispatchException, 0
    sub esp, _EXCEPTION_RECORD_SIZE
    .cv_fpo_stackalloc _EXCEPTION_RECORD_SIZE
    .cv_fpo_endprologue
    mov [esp + _EXCEPTION_RECORD_ExceptionCode], eax
    xor eax, eax
    mov [esp + _EXCEPTION_RECORD_ExceptionFlags], eax
    mov [esp + _EXCEPTION_RECORD_ExceptionRecord], eax
    mov [esp + _EXCEPTION_RECORD_ExceptionAddress], ebx
    mov [esp + _EXCEPTION_RECORD_NumberParameters], ecx
    mov [esp + _EXCEPTION_RECORD_ExceptionInformation], edx
    mov [esp + _EXCEPTION_RECORD_ExceptionInformation + 4], esi
    mov [esp + _EXCEPTION_RECORD_ExceptionInformation + 8], edi
    mov eax, esp
    push 1                              // first chance
    push 0                              // kernel mode
    push ebp
    push 0                              // no exception frame: the trap frame holds all registers
    push eax
    call _KiDispatchException@20
    jmp _KiExceptionExit
    END_FUNCTION CommonDispatchException

// Undoes ENTER_TRAP and resumes what the frame at ebp says.
    FPO_FUNCTION _KiExceptionExit
    mov esp, ebp
    test dword ptr FRAME(SegCs), FRAME_EDITED
    jz 1f
    add esp, _KTRAP_FRAME_SegGs
    POP_SEGMENT gs
    POP_SEGMENT es
    POP_SEGMENT ds
    pop edx
    pop ecx
    pop eax
    add esp, 4
    pop dword ptr fs:[0]
    POP_SEGMENT fs
    pop edi
    pop esi
    pop ebx
    pop ebp
    add esp, 4
    iretd
1:  // The debugger moved esp up: what iretd takes is copied below the new top, and esp is loaded with that last of all.
    mov ebx, dword ptr FRAME(TempEsp)
    sub ebx, 12
    mov eax, dword ptr FRAME(EFlags)
    mov ecx, dword ptr FRAME(TempSegCs)
    mov edx, dword ptr FRAME(Eip)
    mov [ebx + 8], eax
    mov [ebx + 4], ecx
    mov [ebx], edx
    mov dword ptr FRAME(ErrCode), ebx
    add esp, _KTRAP_FRAME_SegGs
    POP_SEGMENT gs
    POP_SEGMENT es
    POP_SEGMENT ds
    pop edx
    pop ecx
    pop eax
    add esp, 4
    pop dword ptr fs:[0]
    POP_SEGMENT fs
    pop edi
    pop esi
    pop ebx
    pop ebp
    mov esp, [esp]
    iretd
    END_FPO_FUNCTION _KiExceptionExit, FRAME_TRAP

    FAULT _KiTrap00, 0, 0xC0000094
    FAULT _KiTrap04, 0, 0xC0000095
    FAULT _KiTrap05, 0, 0xC000008C
    FAULT _KiTrap06, 0, 0xC000001D
    FAULT _KiTrap0D, 1, 0xC0000005
    FAULT _KiTrap11, 1, 0x80000002
    FAULT _KiRaiseAssertion, 0, 0xC0000420

    ABORT _KiTrap02, 0, 0x02
    ABORT _KiTrap07, 0, 0x07
    ABORT _KiTrap09, 0, 0x09
    ABORT _KiTrap0A, 1, 0x0A
    ABORT _KiTrap0B, 1, 0x0B
    ABORT _KiTrap0C, 1, 0x0C
    ABORT _KiTrap10, 0, 0x10
    ABORT _KiTrap12, 0, 0x12
    ABORT _KiTrap13, 0, 0x13

// A step or a debug register. The trap flag does not stay set.
    ENTER_TRAP _KiTrap01, 0
    and dword ptr FRAME(EFlags), ~EFLAGS_TF
    mov eax, 0x80000004
    mov ebx, dword ptr FRAME(Eip)
    xor ecx, ecx
    call CommonDispatchException
    END_FPO_FUNCTION _KiTrap01, FRAME_TRAP

// int3. The frame then points at the instruction, as a debugger expects.
    ENTER_TRAP _KiTrap03, 0
    dec dword ptr FRAME(Eip)
    mov eax, 0x80000003
    mov ebx, dword ptr FRAME(Eip)
    mov ecx, 3
    xor edx, edx                        // BREAKPOINT_BREAK
    mov esi, dword ptr FRAME(Ecx)
    mov edi, dword ptr FRAME(Edx)
    call CommonDispatchException
    END_FPO_FUNCTION _KiTrap03, FRAME_TRAP

// int 2Dh: service in eax, arguments in ecx and edx. The frame points at the int3 that follows the instruction.
    ENTER_TRAP _KiDebugService, 0
    mov eax, 0x80000003
    mov ebx, dword ptr FRAME(Eip)
    mov ecx, 3
    mov edx, dword ptr FRAME(Eax)
    mov esi, dword ptr FRAME(Ecx)
    mov edi, dword ptr FRAME(Edx)
    call CommonDispatchException
    END_FPO_FUNCTION _KiDebugService, FRAME_TRAP

    ENTER_TRAP _KiTrap0E, 1
    mov edi, cr2
    push ebp
    push edi
    push dword ptr FRAME(ErrCode)
    call _MmAccessFault@12
    test eax, eax
    jns _KiExceptionExit
    mov ebx, dword ptr FRAME(Eip)
    mov ecx, 2
    mov edx, dword ptr FRAME(ErrCode)
    shr edx, 1
    and edx, 1                          // 0 read, 1 write
    mov esi, edi
    call CommonDispatchException
    END_FPO_FUNCTION _KiTrap0E, FRAME_TRAP

    INTERRUPT _HalpApcInterrupt, _KiServeApc@4
    INTERRUPT _HalpDispatchInterrupt, _KiServeDispatch@4
    INTERRUPT _HalpClockInterrupt, _KiServeClock@4

// Interrupts that nobody asked for, and the controllers' spurious ones.
    ENTER_TRAP _KiUnexpectedInterrupt, 0
    jmp _KiExceptionExit
    END_FPO_FUNCTION _KiUnexpectedInterrupt, FRAME_TRAP

// Double fault, in a task of its own (KiDoubleFaultTss), for the stack may be what is broken. What was interrupted is
// in the processor's other task state.
    FUNCTION _KiTrap08, 0
    .cv_fpo_endprologue
    pushfd
    and dword ptr [esp], ~0x4000        // not a nested task: iretd is to be an ordinary one
    popfd
    call _KiDoubleFault@0
    END_FUNCTION _KiTrap08
