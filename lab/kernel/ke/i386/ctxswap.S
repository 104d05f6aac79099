// Switching between threads. A thread that does not run has a _KSWITCHFRAME at _KTHREAD.KernelStack, and above it what
// KiSwapContext saved: ebp, edi, esi, ebx.
#include "asm.inc"

    .set PCR_CURRENT_THREAD, 0x124

    .text
// VOID KiSwapContext(PKTHREAD OldThread, PKTHREAD NewThread), at DISPATCH_LEVEL. Returns when OldThread runs again.
    FUNCTION _KiSwapContext@8, 8
    push ebx
    .cv_fpo_pushreg ebx
    push esi
    .cv_fpo_pushreg esi
    push edi
    .cv_fpo_pushreg edi
    push ebp
    .cv_fpo_pushreg ebp
    .cv_fpo_endprologue
    mov edi, [esp + 0x14]
    mov esi, [esp + 0x18]
    call SwapContext
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret 8
    END_FUNCTION _KiSwapContext@8

// From the thread in edi to that in esi. Its frame is the _KSWITCHFRAME.
    FUNCTION SwapContext, 0
    push 0                              // ApcBypassDisable
    .cv_fpo_stackalloc 4
    push dword ptr fs:[0]               // ExceptionList
    .cv_fpo_stackalloc 4
    .cv_fpo_endprologue
    mov eax, [edi + _KTHREAD_ApcState + _KAPC_STATE_Process]
    mov ecx, [esi + _KTHREAD_ApcState + _KAPC_STATE_Process]
    cmp eax, ecx
    je 1f
    mov ecx, [ecx + _KPROCESS_DirectoryTableBase]
    mov cr3, ecx
1:  mov [edi + _KTHREAD_KernelStack], esp
    mov esp, [esi + _KTHREAD_KernelStack]
    mov byte ptr [edi + _KTHREAD_SwapBusy], 0
    mov fs:[PCR_CURRENT_THREAD], esi
    mov eax, [esi + _KTHREAD_InitialStack]
    mov fs:[_KPCR_NtTib + _NT_TIB_StackBase], eax
    mov ecx, fs:[_KPCR_TSS]
    mov [ecx + _KTSS_Esp0], eax
    mov eax, [esi + _KTHREAD_StackLimit]
    mov fs:[_KPCR_NtTib + _NT_TIB_StackLimit], eax
    pop dword ptr fs:[0]
    add esp, 4
    ret
    END_FUNCTION SwapContext

// A new thread's first code: SwapContext returns here, with what KiInitializeContextThread put on the stack: the system
// routine, its two arguments, and zero, which ends every walk of the stack.
    FPO_FUNCTION _KiStartSystemThread@0
    push 0
    call _KeLowerIrql@4                 // from DISPATCH_LEVEL, at which the switch was made
    sti
    xor ebx, ebx
    xor esi, esi
    xor edi, edi
    xor ebp, ebp
    push dword ptr [esp + 8]
    push dword ptr [esp + 8]
    call dword ptr [esp + 8]
    int 3
    END_FPO_FUNCTION _KiStartSystemThread@0, FRAME_FPO, 3

// VOID RtlCaptureContext(PCONTEXT ContextRecord): the caller's registers, as they are when this returns.
    FUNCTION _RtlCaptureContext@4, 4
    push ebx
    .cv_fpo_pushreg ebx
    .cv_fpo_endprologue
    mov ebx, [esp + 8]
    mov [ebx + _CONTEXT_Eax], eax
    mov [ebx + _CONTEXT_Ecx], ecx
    mov [ebx + _CONTEXT_Edx], edx
    mov eax, [esp]
    mov [ebx + _CONTEXT_Ebx], eax
    mov [ebx + _CONTEXT_Ebp], ebp
    mov [ebx + _CONTEXT_Esi], esi
    mov [ebx + _CONTEXT_Edi], edi
    mov [ebx + _CONTEXT_SegCs], cs
    mov [ebx + _CONTEXT_SegDs], ds
    mov [ebx + _CONTEXT_SegEs], es
    mov [ebx + _CONTEXT_SegFs], fs
    mov [ebx + _CONTEXT_SegGs], gs
    mov [ebx + _CONTEXT_SegSs], ss
    pushfd
    pop dword ptr [ebx + _CONTEXT_EFlags]
    mov eax, [esp + 4]
    mov [ebx + _CONTEXT_Eip], eax
    lea eax, [esp + 12]
    mov [ebx + _CONTEXT_Esp], eax
    mov dword ptr [ebx + _CONTEXT_ContextFlags], 0x10007
    mov eax, [ebx + _CONTEXT_Eax]
    pop ebx
    ret 4
    END_FUNCTION _RtlCaptureContext@4
