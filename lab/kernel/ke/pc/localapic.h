// The local APIC's command register, by which a processor interrupts others or itself. A write of the low half sends.
#pragma once

constexpr ULONG LocalApicCommand = 0x300;
constexpr ULONG LocalApicCommandHigh = 0x310;
