// The interrupt that ends a sleep of the stopped processor (kdidle.cpp).
#include "../../ke/i386/asm.inc"

    .set APIC_EOI, 0xB0

    .text
    LABEL _KdpWake
    push eax
    mov eax, dword ptr [_KdpApic]
    mov dword ptr [eax + APIC_EOI], 0
    pop eax
    iretd
