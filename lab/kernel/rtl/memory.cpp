// What the compiler calls for copies and fills. String instructions, since a loop would be turned into a call to
// itself.
#include "nt.h"

extern "C" {
int _fltused = 0; // the linker of the platform expects it wherever floating point could occur

VOID* CDECL memcpy(VOID* Destination, const VOID* Source, SIZE_T Length) {
    VOID* start = Destination;
    __asm__ volatile("rep movsb" : "+D"(Destination), "+S"(Source), "+c"(Length) : : "memory");
    return start;
}

VOID* CDECL memmove(VOID* Destination, const VOID* Source, SIZE_T Length) {
    ULONG_PTR to = reinterpret_cast<ULONG_PTR>(Destination);
    ULONG_PTR from = reinterpret_cast<ULONG_PTR>(Source);
    if (to - from >= Length) {
        return memcpy(Destination, Source, Length);
    }
    PUCHAR last_to = static_cast<PUCHAR>(Destination) + Length - 1;
    const UCHAR* last_from = static_cast<const UCHAR*>(Source) + Length - 1;
    __asm__ volatile("std; rep movsb; cld" : "+D"(last_to), "+S"(last_from), "+c"(Length) : : "memory");
    return Destination;
}

VOID* CDECL memset(VOID* Destination, int Fill, SIZE_T Length) {
    VOID* start = Destination;
    __asm__ volatile("rep stosb" : "+D"(Destination), "+c"(Length) : "a"(Fill) : "memory");
    return start;
}

SIZE_T CDECL strlen(PCSTR Text) {
    PCSTR end = Text;
    while (*static_cast<const volatile CHAR*>(end) != 0) { // volatile: this must not become a call to itself
        end++;
    }
    return static_cast<SIZE_T>(end - Text);
}

int CDECL memcmp(const VOID* First, const VOID* Second, SIZE_T Length) {
    const UCHAR* a = static_cast<const UCHAR*>(First);
    const UCHAR* b = static_cast<const UCHAR*>(Second);
    for (SIZE_T i = 0; i < Length; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}
}
