#include "../ke/ke.h"

extern "C" NTKERNELAPI VOID RtlInitUnicodeString(PUNICODE_STRING Destination, PCWSTR Source) {
    SIZE_T length = 0;
    while (Source != nullptr && Source[length] != 0) {
        length++;
    }
    Destination->Buffer = const_cast<PWSTR>(Source);
    Destination->Length = static_cast<USHORT>(length * sizeof(WCHAR));
    Destination->MaximumLength = static_cast<USHORT>(Source == nullptr ? 0 : (length + 1) * sizeof(WCHAR));
}
