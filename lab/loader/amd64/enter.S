// From 32-bit protected mode into the kernel in 64-bit mode.
    .intel_syntax noprefix

    .set CR0_PE_WP_PG, 0x80010001
    .set CR4_PAE, 0x20
    .set MSR_EFER, 0xC0000080
    .set EFER_LME_NXE, 0x900

    .text
    .code32
// void LoaderEnterKernel(u32 directory, u64 entry, u32 block)
    .globl LoaderEnterKernel
LoaderEnterKernel:
    mov esi, [esp + 4]
    mov ebx, [esp + 8]
    mov edx, [esp + 12]
    mov edi, [esp + 16]
    mov eax, CR4_PAE
    mov cr4, eax
    mov cr3, esi
    push edx                            // wrmsr needs edx
    mov ecx, MSR_EFER
    mov eax, EFER_LME_NXE
    xor edx, edx
    wrmsr
    pop edx
    mov eax, cr0
    or eax, CR0_PE_WP_PG
    mov cr0, eax
    lgdt LoaderGdtRegister
    .byte 0xEA                          // far jump: loads cs
    .long LoaderLongMode
    .short 0x10

    .code64
LoaderLongMode:
    mov eax, 0x18
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    shl rdx, 32
    mov ebx, ebx                        // the upper halves are undefined after the switch
    or rbx, rdx
    mov ecx, edi                        // first argument: the loader block, mapped where it lies
    lea rsp, [LoaderStackTop]
    jmp rbx

    .section .rodata
    .align 8
LoaderGdt:
    .quad 0
    .quad 0
    .quad 0x00209B0000000000            // 10: 64-bit code
    .quad 0x00CF93000000FFFF            // 18: data
LoaderGdtRegister:
    .short 31
    .long LoaderGdt
