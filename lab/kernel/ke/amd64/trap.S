// Trap and interrupt entries. Each builds a _KTRAP_FRAME by pushes that its unwind codes describe, so that a stack can be
// walked from here into the interrupted code:
//   pushed by the processor: ss rsp eflags cs rip, and an error code for some vectors (else 8 bytes are left for it)
//   then rbp, then 158h bytes; rbp is the frame's address + 80h.
// Interrupts stay off from entry to exit unless said otherwise.
#include "asm.inc"

#define FRAME(member) [rbp + _KTRAP_FRAME_##member - 0x80]

    .macro TRAP_FUNCTION name, code
    FUNCTION \name
    .if \code
    .seh_pushframe @code
    .else
    .seh_pushframe
    sub rsp, 8
    .seh_stackalloc 8
    .endif
    push rbp
    .seh_pushreg rbp
    sub rsp, 0x158
    .seh_stackalloc 0x158
    lea rbp, [rsp + 0x80]
    .seh_setframe rbp, 0x80
    .seh_endprologue
    mov byte ptr FRAME(ExceptionActive), 1
    mov byte ptr FRAME(PreviousMode), 0
    mov qword ptr FRAME(Rax), rax
    mov qword ptr FRAME(Rcx), rcx
    mov qword ptr FRAME(Rdx), rdx
    mov qword ptr FRAME(R8), r8
    mov qword ptr FRAME(R9), r9
    mov qword ptr FRAME(R10), r10
    mov qword ptr FRAME(R11), r11
    cld
    .endm

    // Undoes TRAP_FUNCTION and resumes what the frame says.
    .macro TRAP_EXIT
    mov r11, qword ptr FRAME(R11)
    mov r10, qword ptr FRAME(R10)
    mov r9, qword ptr FRAME(R9)
    mov r8, qword ptr FRAME(R8)
    mov rdx, qword ptr FRAME(Rdx)
    mov rcx, qword ptr FRAME(Rcx)
    mov rax, qword ptr FRAME(Rax)
    lea rsp, [rbp + _KTRAP_FRAME_Rbp - 0x80]
    pop rbp
    add rsp, 8
    iretq
    .endm

    // A fault that becomes an exception with status \status and no parameters.
    .macro FAULT_FUNCTION name, code, status
    TRAP_FUNCTION \name, \code
    mov ecx, \status
    xor edx, edx
    mov r8, qword ptr FRAME(Rip)
    call KiExceptionDispatch
    nop
    END_FUNCTION
    .endm

    // A trap that nothing recovers from: UNEXPECTED_KERNEL_MODE_TRAP with the vector.
    .macro ABORT_FUNCTION name, code, vector
    TRAP_FUNCTION \name, \code
    mov ecx, \vector
    mov rdx, rsp
    call KiUnexpectedTrap
    nop
    END_FUNCTION
    .endm

    .text
// VOID KiExceptionDispatch(NTSTATUS Code, ULONG Parameters, ULONG64 Address, r9, r10, r11: the parameters), rbp from the
// trap entry. Stores the nonvolatile registers in a _KEXCEPTION_FRAME, with the exception record above it, and resumes by
// the trap frame, which the debugger may have changed.
    .set RECORD, _KEXCEPTION_FRAME_SIZE
    FUNCTION KiExceptionDispatch
    sub rsp, 0x1D8
    .seh_stackalloc 0x1D8
    SAVE_NONVOLATILE
    .seh_endprologue
    mov [rsp + RECORD + _EXCEPTION_RECORD64_ExceptionCode], ecx
    mov dword ptr [rsp + RECORD + _EXCEPTION_RECORD64_ExceptionFlags], 0
    mov qword ptr [rsp + RECORD + _EXCEPTION_RECORD64_ExceptionRecord], 0
    mov [rsp + RECORD + _EXCEPTION_RECORD64_ExceptionAddress], r8
    mov [rsp + RECORD + _EXCEPTION_RECORD64_NumberParameters], edx
    mov [rsp + RECORD + _EXCEPTION_RECORD64_ExceptionInformation], r9
    mov [rsp + RECORD + _EXCEPTION_RECORD64_ExceptionInformation + 8], r10
    mov [rsp + RECORD + _EXCEPTION_RECORD64_ExceptionInformation + 16], r11
    lea rcx, [rsp + RECORD]
    mov rdx, rsp
    lea r8, [rbp - 0x80]
    call KiDispatchException
    RESTORE_NONVOLATILE
    TRAP_EXIT
    END_FUNCTION

    FAULT_FUNCTION KiDivideErrorFault, 0, 0xC0000094
    FAULT_FUNCTION KiOverflowTrap, 0, 0xC0000095
    FAULT_FUNCTION KiBoundFault, 0, 0xC000008C
    FAULT_FUNCTION KiInvalidOpcodeFault, 0, 0xC000001D
    FAULT_FUNCTION KiGeneralProtectionFault, 1, 0xC0000005
    FAULT_FUNCTION KiAlignmentFault, 1, 0x80000002
    FAULT_FUNCTION KiDebugTrapOrFault, 0, 0x80000004
    FAULT_FUNCTION KiRaiseAssertion, 0, 0xC0000420

    ABORT_FUNCTION KiNpxNotAvailableFault, 0, 0x07
    ABORT_FUNCTION KiDoubleFaultAbort, 1, 0x08
    ABORT_FUNCTION KiNpxSegmentOverrunAbort, 0, 0x09
    ABORT_FUNCTION KiInvalidTssFault, 1, 0x0A
    ABORT_FUNCTION KiSegmentNotPresentFault, 1, 0x0B
    ABORT_FUNCTION KiStackFault, 1, 0x0C
    ABORT_FUNCTION KiFloatingErrorFault, 0, 0x10
    ABORT_FUNCTION KiMcheckAbort, 0, 0x12
    ABORT_FUNCTION KiXmmException, 0, 0x13

// VOID KiNmiDispatch(VOID), rbp from the trap entry. Resumes by the trap frame, which the debugger may have changed.
    FUNCTION KiNmiDispatch
    sub rsp, 0x1D8
    .seh_stackalloc 0x1D8
    SAVE_NONVOLATILE
    .seh_endprologue
    lea rcx, [rbp - 0x80]
    mov rdx, rsp
    call KiHandleNmi
    RESTORE_NONVOLATILE
    TRAP_EXIT
    END_FUNCTION

    TRAP_FUNCTION KiNmiInterrupt, 0
    call KiNmiDispatch
    nop
    END_FUNCTION

// int3. The frame then points at the instruction, as a debugger expects.
    TRAP_FUNCTION KiBreakpointTrap, 0
    dec qword ptr FRAME(Rip)
    mov ecx, 0x80000003
    mov edx, 1
    mov r8, qword ptr FRAME(Rip)
    xor r9d, r9d                        // BREAKPOINT_BREAK
    call KiExceptionDispatch
    nop
    END_FUNCTION

// int 2Dh: service in rax, arguments in rcx and rdx. The frame points at the int3 that follows the instruction.
    TRAP_FUNCTION KiDebugServiceTrap, 0
    mov r9, rax
    mov r10, rcx
    mov r11, rdx
    mov ecx, 0x80000003
    mov edx, 3
    mov r8, qword ptr FRAME(Rip)
    call KiExceptionDispatch
    nop
    END_FUNCTION

    TRAP_FUNCTION KiPageFault, 1
    mov rdx, cr2
    mov qword ptr FRAME(FaultAddress), rdx
    mov rcx, qword ptr FRAME(ErrorCode)
    mov r8, rsp
    call MmAccessFault
    test eax, eax
    jns 1f
    mov ecx, eax
    mov edx, 2
    mov r8, qword ptr FRAME(Rip)
    mov r9, qword ptr FRAME(ErrorCode)
    and r9d, 2
    shr r9d, 1                          // 0 read, 1 write
    mov r10, qword ptr FRAME(FaultAddress)
    call KiExceptionDispatch
    nop
1:  TRAP_EXIT
    END_FUNCTION

    // An interrupt at IRQL \irql: raises to it, calls \handler with the frame, lowers again.
    .macro INTERRUPT_FUNCTION name, irql, handler, enable
    TRAP_FUNCTION \name, 0
    mov byte ptr FRAME(ExceptionActive), 0
    mov rax, cr8
    mov byte ptr FRAME(PreviousIrql), al
    mov eax, \irql
    mov cr8, rax
    mov rcx, rsp
    .if \enable
    sti
    .endif
    call \handler
    .if \enable
    cli
    .endif
    movzx eax, byte ptr FRAME(PreviousIrql)
    mov cr8, rax
    TRAP_EXIT
    END_FUNCTION
    .endm

    INTERRUPT_FUNCTION KiApcInterrupt, 1, KiAcknowledgeInterrupt, 0
    INTERRUPT_FUNCTION KiDpcInterrupt, 2, KiDpcInterruptService, 0
    INTERRUPT_FUNCTION KiInterruptDispatch, 13, KiCallInterruptServiceRoutine, 0
    INTERRUPT_FUNCTION KiIpiInterrupt, 14, KiIpiServiceRoutine, 0

// Interrupts that nobody asked for, and the controllers' spurious ones.
    TRAP_FUNCTION KiUnexpectedInterrupt, 0
    TRAP_EXIT
    END_FUNCTION
