// The first code of a processor that is being started.
#include "asm.inc"

    .set CR0_PG_WP_PE, 0x80010001
    .set CR4_PAE, 0x20
    .set MSR_EFER, 0xC0000080
    .set EFER_LME_NXE, 0x900

    .section .rdata, "dr"
    .globl KiStartupCode
    .globl KiStartupCodeEnd
// Copied to the start of a page below 1 MB and entered there in real mode with cs = page >> 4. KI_STARTUP_DATA lies behind
// it. The address space that it names maps this page where it lies. In the other syntax, which takes differences of labels
// as addresses.
    .att_syntax prefix
    .p2align 4
    .code16
KiStartupCode:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movzwl %ax, %ebx
    shll $4, %ebx                       // where this code lies
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl KiStartupCodeEnd - KiStartupCode, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl $EFER_LME_NXE, %eax
    xorl %edx, %edx
    wrmsr
    leal KiStartupGdt - KiStartupCode(%ebx), %eax
    movl %eax, KiStartupGdtr + 2 - KiStartupCode
    lgdtl KiStartupGdtr - KiStartupCode
    leal KiStartupLong - KiStartupCode(%ebx), %eax
    movl %eax, KiStartupFar - KiStartupCode
    movl $CR0_PG_WP_PE, %eax
    movl %eax, %cr0
    ljmpl *KiStartupFar - KiStartupCode

    .code64
KiStartupLong:
    movl $0x18, %eax
    movl %eax, %ss
    leaq KiStartupCodeEnd(%rip), %rbx
    movq 8(%rbx), %rsp
    movq 24(%rbx), %rcx
    jmpq *16(%rbx)

    .p2align 3
KiStartupGdt:
    .quad 0
    .quad 0
    .quad 0x00209B0000000000            // 10: 64-bit code
    .quad 0x00CF93000000FFFF            // 18: data
KiStartupGdtr:
    .short 31
    .long 0
KiStartupFar:
    .long 0
    .short 0x10
    .p2align 3
KiStartupCodeEnd:

    .intel_syntax noprefix
    .text
// VOID KiProcessorStartup(KI_PROCESSOR* Processor), on the stack of the processor's idle thread.
    FUNCTION KiProcessorStartup
    .seh_stackalloc 0x28
    .seh_endprologue
    and qword ptr [rsp + 0x28], 0       // no caller
    call KiInitializeStartedProcessor
    call KiIdleLoop
    int 3
    END_FUNCTION
