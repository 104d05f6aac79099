// Entry of the kernel image, with paging on, interrupts off and the loader block as its argument.
#include "asm.inc"

    .text
// Moves to the boot stack, which becomes the idle thread's, and never returns: its frame is the last one on that stack.
    FUNCTION _KiSystemStartup@4, 4
    .cv_fpo_endprologue
    mov ecx, [esp + 4]
    lea esp, [_KiBootStackTop - 0x10]
    and dword ptr [esp], 0              // no caller
    xor ebp, ebp
    push ecx
    call _KiInitializeKernel@4
    call _KiIdleLoop@0
    int 3
    END_FUNCTION _KiSystemStartup@4

// VOID KiLoadSegments(const USHORT* Gdtr, const USHORT* Idtr): pointers to the 6-byte register images.
    FUNCTION _KiLoadSegments@8, 8
    .cv_fpo_endprologue
    mov ecx, [esp + 4]
    mov edx, [esp + 8]
    lgdt [ecx]
    lidt [edx]
    mov eax, 0x23                       // user data, as NT has it in kernel mode
    mov ds, eax
    mov es, eax
    mov eax, 0x30
    mov fs, eax
    xor eax, eax
    mov gs, eax
    lldt ax
    mov eax, 0x10
    mov ss, eax
    mov eax, 0x28
    ltr ax
    push 0x08
    lea eax, [KiSegmentsLoaded]
    push eax
    .byte 0xCB                          // far return: loads cs
KiSegmentsLoaded:
    ret 8
    END_FUNCTION _KiLoadSegments@8

    .bss
    .p2align 12
    .globl _KiBootStack
_KiBootStack:
    .skip 0x6000
    .globl _KiBootStackTop
_KiBootStackTop:
    .skip 8                             // so that no variable has this address as well
