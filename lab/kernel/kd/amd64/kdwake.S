// The interrupt that ends a sleep of the stopped processor (kdidle.cpp).
#include "../../ke/amd64/asm.inc"

    .set APIC_EOI, 0xB0

    .text
    FUNCTION KdpWake
    .seh_pushframe
    push rax
    .seh_pushreg rax
    .seh_endprologue
    mov rax, qword ptr [rip + KdpApic]
    mov dword ptr [rax + APIC_EOI], 0
    pop rax
    iretq
    END_FUNCTION
