#include "cm.h"
#include "ki.h"

extern "C" VOID CmInitSystem(VOID) {
    NtGlobalFlag = CmReadGlobalFlag();
}
