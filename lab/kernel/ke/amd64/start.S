// Entry of the kernel image, with paging on, interrupts off and the loader block in rcx.
#include "asm.inc"

    .text
// Moves to the boot stack, which becomes the idle thread's, and never returns: its frame is the last one on that stack.
    FUNCTION KiSystemStartup
    .seh_stackalloc 0x28
    .seh_endprologue
    lea rsp, [rip + KiBootStackTop - 0x30]
    and qword ptr [rsp + 0x28], 0       // no caller
    call KiInitializeKernel
    call KiIdleLoop
    int 3
    END_FUNCTION

// VOID KiLoadSegments(const KDESCRIPTOR* Gdtr, const KDESCRIPTOR* Idtr): pointers to the 10-byte register images.
    FUNCTION KiLoadSegments
    .seh_endprologue
    lgdt [rcx]
    lidt [rdx]
    mov eax, 0x2B                       // user data, as NT has them in kernel mode
    mov ds, eax
    mov es, eax
    mov eax, 0x53
    mov fs, eax
    mov eax, 0x2B
    mov gs, eax
    mov eax, 0x18
    mov ss, eax
    mov eax, 0x40
    ltr ax
    pop rax
    push 0x10
    push rax
    .byte 0x48, 0xCB                    // far return: loads cs
    END_FUNCTION

    .bss
    .p2align 12
    .globl KiBootStack
KiBootStack:
    .skip 0x6000
    .globl KiBootStackTop
KiBootStackTop:
    .skip 8                             // so that no variable has this address as well
