// DbgPrint: the subset %c %s %d %i %u %x %X %p of printf, with l, ll, width and zero fill. What is printed goes
// to the debugger by int 2Dh and into a circular buffer, where it is found later.
#include "../ke/ke.h"

constexpr ULONG RtlMaximumPrint = 512;
constexpr ULONG KdpPrintBufferBytes = 0x1000;

extern "C" {
CHAR KdPrintDefaultCircularBuffer[KdpPrintBufferBytes];
PCHAR KdPrintCircularBuffer = KdPrintDefaultCircularBuffer;
PCHAR KdPrintWritePointer = KdPrintDefaultCircularBuffer;
ULONG KdPrintBufferSize = KdpPrintBufferBytes;
ULONG KdPrintRolloverCount;
}

struct RTL_TEXT {
    PCHAR Next;
    PCHAR End;
};

static VOID RtlpPut(RTL_TEXT* Text, CHAR Character) {
    if (Text->Next < Text->End) {
        *Text->Next++ = Character;
    }
}

static VOID RtlpPutNumber(RTL_TEXT* Text, ULONG64 Value, ULONG Base, ULONG Width, CHAR Fill, BOOLEAN Upper) {
    CHAR digits[24];
    ULONG count = 0;
    do {
        ULONG digit = static_cast<ULONG>(Value % Base);
        digits[count++] = static_cast<CHAR>(digit < 10 ? '0' + digit : (Upper ? 'A' : 'a') + digit - 10);
        Value /= Base;
    } while (Value != 0);
    for (ULONG i = count; i < Width; i++) {
        RtlpPut(Text, Fill);
    }
    while (count > 0) {
        RtlpPut(Text, digits[--count]);
    }
}

static VOID RtlpPutString(RTL_TEXT* Text, PCSTR String) {
    for (PCSTR p = String != nullptr ? String : "(null)"; *p != 0; p++) {
        RtlpPut(Text, *p);
    }
}

// Formats one directive, whose `%` is passed; returns what follows it.
static PCSTR RtlpFormatDirective(RTL_TEXT* Text, PCSTR Format, __builtin_va_list& Arguments) {
    CHAR fill = ' ';
    ULONG width = 0;
    if (*Format == '0') {
        fill = '0';
        Format++;
    }
    for (; *Format >= '0' && *Format <= '9'; Format++) {
        width = width * 10 + static_cast<ULONG>(*Format - '0');
    }
    BOOLEAN wide = FALSE;
    if (Format[0] == 'l' && Format[1] == 'l') {
        wide = TRUE;
        Format += 2;
    } else if (*Format == 'l') {
        Format++;
    }
    CHAR kind = *Format;
    switch (kind) {
    case 'c': RtlpPut(Text, static_cast<CHAR>(__builtin_va_arg(Arguments, int))); break;
    case 's': RtlpPutString(Text, __builtin_va_arg(Arguments, PCSTR)); break;
    case 'p': RtlpPutNumber(Text, __builtin_va_arg(Arguments, ULONG_PTR), 16, 2 * sizeof(PVOID), '0', TRUE); break;
    case 'd':
    case 'i': {
        LONGLONG value = wide ? __builtin_va_arg(Arguments, LONGLONG) : __builtin_va_arg(Arguments, LONG);
        if (value < 0) {
            RtlpPut(Text, '-');
        }
        RtlpPutNumber(Text, value < 0 ? 0 - static_cast<ULONG64>(value) : static_cast<ULONG64>(value), 10, width, fill,
                      FALSE);
        break;
    }
    case 'u':
    case 'x':
    case 'X': {
        ULONG64 value = wide ? __builtin_va_arg(Arguments, ULONG64) : __builtin_va_arg(Arguments, ULONG);
        RtlpPutNumber(Text, value, kind == 'u' ? 10 : 16, width, fill, kind == 'X');
        break;
    }
    case 0: return Format;
    default: RtlpPut(Text, kind);
    }
    return Format + 1;
}

static VOID KdpKeepPrint(PCSTR Text, ULONG Length) {
    for (ULONG i = 0; i < Length; i++) {
        *KdPrintWritePointer++ = Text[i];
        if (KdPrintWritePointer == KdPrintCircularBuffer + KdPrintBufferSize) {
            KdPrintWritePointer = KdPrintCircularBuffer;
            KdPrintRolloverCount++;
        }
    }
}

extern "C" NTKERNELAPI NOINLINE ULONG CDECL DbgPrint(PCSTR Format, ...) {
    CHAR buffer[RtlMaximumPrint];
    RTL_TEXT text = {buffer, buffer + sizeof(buffer)};
    __builtin_va_list arguments;
    __builtin_va_start(arguments, Format);
    while (*Format != 0) {
        if (*Format != '%') {
            RtlpPut(&text, *Format++);
        } else {
            Format = RtlpFormatDirective(&text, Format + 1, arguments);
        }
    }
    __builtin_va_end(arguments);
    ULONG length = static_cast<ULONG>(text.Next - buffer);
    KdpKeepPrint(buffer, length);
    DebugService2(buffer, length, BREAKPOINT_PRINT);
    return 0;
}
