// Into the kernel with paging on.
    .intel_syntax noprefix
#include "nt_addresses.h"

    .set CR0_PE_WP_PG, 0x80010001
    .set CR4_PSE, 0x10
    .set CR4_PAE, 0x20
    .set MSR_EFER, 0xC0000080
    .set EFER_NXE, 0x800
    .set CPUID_EXTENDED, 0x80000001
    .set CPUID_NX, 0x100000

    .text
// void LoaderEnterKernel(u32 directory, u64 entry, u32 block)
    .globl LoaderEnterKernel
LoaderEnterKernel:
    mov esi, [esp + 4]
    mov edi, [esp + 8]
    mov ebp, [esp + 16]
#ifdef LAB_PAE
    mov eax, CPUID_EXTENDED
    cpuid
    test edx, CPUID_NX
    jz LoaderNoExecuteMissing           // does not return
    mov ecx, MSR_EFER
    mov eax, EFER_NXE
    xor edx, edx
    wrmsr
    mov eax, CR4_PSE | CR4_PAE
#else
    mov eax, CR4_PSE
#endif
    mov cr4, eax
    mov cr3, esi
    mov eax, cr0
    or eax, CR0_PE_WP_PG
    mov cr0, eax
    lgdt LoaderGdtRegister
    .byte 0xEA                          // far jump: loads cs
    .long 1f
    .short 0x08
1:  mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov esp, offset LoaderStackTop
    push ebp                            // the argument: the loader block, mapped where it lies
    push 0                              // no caller
    jmp edi

    .section .rodata
    .align 8
LoaderGdt:
    .quad 0
    .quad 0x00CF9B000000FFFF            // 08: code
    .quad 0x00CF93000000FFFF            // 10: data
LoaderGdtRegister:
    .short 23
    .long LoaderGdt
