// 64-bit division, which the compiler leaves to the runtime library. The names are those that it calls.
#include "nt.h"

extern "C" {
ULONG64 RtlpDivide(ULONG64 Dividend, ULONG64 Divisor) __asm__("__aulldiv");
ULONG64 RtlpRemainder(ULONG64 Dividend, ULONG64 Divisor) __asm__("__aullrem");
}

// By 32 bits the processor divides, upper half first; otherwise bit by bit. Division by zero traps as a divide error.
static ULONG64 RtlpDivideBy(ULONG64 Dividend, ULONG64 Divisor, ULONG64* Remainder) {
    if (Divisor >> 32 == 0) {
        ULONG divisor = static_cast<ULONG>(Divisor), high, low, rest = 0;
        __asm__("divl %4" : "=a"(high), "=d"(rest) : "a"(static_cast<ULONG>(Dividend >> 32)), "d"(0), "r"(divisor));
        __asm__("divl %4" : "=a"(low), "=d"(rest) : "a"(static_cast<ULONG>(Dividend)), "d"(rest), "r"(divisor));
        *Remainder = rest;
        return static_cast<ULONG64>(high) << 32 | low;
    }
    ULONG64 quotient = 0, rest = Dividend;
    for (int bit = 31; bit >= 0; bit--) {
        if (Divisor <= rest >> bit) {
            rest -= Divisor << bit;
            quotient |= 1ull << bit;
        }
    }
    *Remainder = rest;
    return quotient;
}

ULONG64 RtlpDivide(ULONG64 Dividend, ULONG64 Divisor) {
    ULONG64 remainder;
    return RtlpDivideBy(Dividend, Divisor, &remainder);
}

ULONG64 RtlpRemainder(ULONG64 Dividend, ULONG64 Divisor) {
    ULONG64 remainder;
    RtlpDivideBy(Dividend, Divisor, &remainder);
    return remainder;
}
