// Switching between threads. A thread that does not run has a _KSWITCH_FRAME at _KTHREAD.KernelStack.
#include "asm.inc"

    .set PCR_CURRENT_THREAD, 0x188

    .text
// VOID KiSwapContext(PKTHREAD OldThread, PKTHREAD NewThread), at DISPATCH_LEVEL. Returns when OldThread runs again.
    FUNCTION KiSwapContext
    sub rsp, _KEXCEPTION_FRAME_Return
    .seh_stackalloc _KEXCEPTION_FRAME_Return
    SAVE_NONVOLATILE
    .seh_endprologue
    mov rdi, rcx
    mov rsi, rdx
    call SwapContext
    RESTORE_NONVOLATILE
    add rsp, _KEXCEPTION_FRAME_Return
    ret
    END_FUNCTION

// From the thread in rdi to that in rsi. Its frame is the _KSWITCH_FRAME.
    FUNCTION SwapContext
    sub rsp, _KSWITCH_FRAME_Return
    .seh_stackalloc _KSWITCH_FRAME_Return
    mov [rsp + _KSWITCH_FRAME_Rbp], rbp
    .seh_savereg rbp, _KSWITCH_FRAME_Rbp
    .seh_endprologue
    mov rax, [rdi + _KTHREAD_ApcState + _KAPC_STATE_Process]
    mov rcx, [rsi + _KTHREAD_ApcState + _KAPC_STATE_Process]
    cmp rax, rcx
    je 1f
    mov rcx, [rcx + _KPROCESS_DirectoryTableBase]
    mov cr3, rcx
1:  mov [rdi + _KTHREAD_KernelStack], rsp
    mov rsp, [rsi + _KTHREAD_KernelStack]
    mov byte ptr [rdi + _KTHREAD_SwapBusy], 0
    mov gs:[PCR_CURRENT_THREAD], rsi
    mov rcx, gs:[_KPCR_TssBase]
    mov rax, [rsi + _KTHREAD_InitialStack]
    mov [rcx + _KTSS64_Rsp0], rax
    mov rbp, [rsp + _KSWITCH_FRAME_Rbp]
    add rsp, _KSWITCH_FRAME_Return
    ret
    END_FUNCTION

// A new thread's first code: SwapContext returns here, with the start frame that KiInitializeContextThread built on the
// stack. The frame's return address is zero, which ends every walk of the stack.
    FUNCTION KiStartSystemThread
    .seh_stackalloc 0x28
    .seh_endprologue
    xor eax, eax
    mov cr8, rax                        // from DISPATCH_LEVEL, at which the switch was made
    sti
    mov rax, [rsp]                      // system routine
    mov rcx, [rsp + 8]                  // start routine
    mov rdx, [rsp + 0x10]               // start context
    xor ebp, ebp
    call rax
    int 3
    END_FUNCTION

// VOID RtlCaptureContext(PCONTEXT ContextRecord): the caller's registers, as they are when this returns.
    FUNCTION RtlCaptureContext
    pushfq
    .seh_stackalloc 8
    .seh_endprologue
    mov [rcx + _CONTEXT_Rax], rax
    mov [rcx + _CONTEXT_Rcx], rcx
    mov [rcx + _CONTEXT_Rdx], rdx
    mov [rcx + _CONTEXT_Rbx], rbx
    mov [rcx + _CONTEXT_Rbp], rbp
    mov [rcx + _CONTEXT_Rsi], rsi
    mov [rcx + _CONTEXT_Rdi], rdi
    mov [rcx + _CONTEXT_R8], r8
    mov [rcx + _CONTEXT_R9], r9
    mov [rcx + _CONTEXT_R10], r10
    mov [rcx + _CONTEXT_R11], r11
    mov [rcx + _CONTEXT_R12], r12
    mov [rcx + _CONTEXT_R13], r13
    mov [rcx + _CONTEXT_R14], r14
    mov [rcx + _CONTEXT_R15], r15
    mov word ptr [rcx + _CONTEXT_SegCs], cs
    mov word ptr [rcx + _CONTEXT_SegDs], ds
    mov word ptr [rcx + _CONTEXT_SegEs], es
    mov word ptr [rcx + _CONTEXT_SegFs], fs
    mov word ptr [rcx + _CONTEXT_SegGs], gs
    mov word ptr [rcx + _CONTEXT_SegSs], ss
    mov rax, [rsp]
    mov [rcx + _CONTEXT_EFlags], eax
    mov rax, [rsp + 8]
    mov [rcx + _CONTEXT_Rip], rax
    lea rax, [rsp + 0x10]
    mov [rcx + _CONTEXT_Rsp], rax
    mov dword ptr [rcx + _CONTEXT_ContextFlags], 0x100007
    mov rax, [rcx + _CONTEXT_Rax]
    add rsp, 8
    ret
    END_FUNCTION
