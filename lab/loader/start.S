// Entered by a multiboot 1 loader in 32-bit protected mode.
    .intel_syntax noprefix

    .set MULTIBOOT_MAGIC, 0x1BADB002
    .set MULTIBOOT_FLAGS, 0x3           // page aligned modules, memory information

    .section .multiboot, "a"
    .align 4
    .long MULTIBOOT_MAGIC
    .long MULTIBOOT_FLAGS
    .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

    .text
    .code32
    .globl LoaderEntry
LoaderEntry:
    cli
    cld
    mov esp, offset LoaderStackTop
    push ebx                            // multiboot information
    push eax                            // magic
    call LoaderMain                     // does not return

    .bss
    .align 16
    .skip 16384
    .globl LoaderStackTop
LoaderStackTop:
