#include "cm.h"

constexpr ULONG CmSignatureBytes = 8;
constexpr ULONG CmSummedBytes = CmSignatureBytes + 4;
constexpr ULONG CmDefaultGlobalFlag = 0x400; // FLG_POOL_ENABLE_TAGGING

static ULONG CmpReadUlong(const UCHAR* Bytes) {
    ULONG value = 0;
    for (ULONG i = 4; i-- > 0;) {
        value = value << 8 | Bytes[i];
    }
    return value;
}

BOOLEAN CmpParseHive(const UCHAR* Sector, PULONG GlobalFlag) {
    static const UCHAR signature[] = {'L', 'A', 'B', 'H', 'I', 'V', 'E', '1'};
    for (ULONG i = 0; i < CmSignatureBytes; i++) {
        if (Sector[i] != signature[i]) {
            return FALSE;
        }
    }
    ULONG sum = 0;
    for (ULONG i = 0; i < CmSummedBytes; i++) {
        sum += Sector[i];
    }
    if (sum != CmpReadUlong(Sector + CmSummedBytes)) {
        return FALSE;
    }
    *GlobalFlag = CmpReadUlong(Sector + CmSignatureBytes);
    return TRUE;
}

ULONG CmReadGlobalFlag(VOID) {
    static UCHAR sector[CmSectorBytes];
    ULONG flags = CmDefaultGlobalFlag;
    if (CmpReadSector(0, sector) && CmpParseHive(sector, &flags)) {
        return flags;
    }
    return CmDefaultGlobalFlag;
}
