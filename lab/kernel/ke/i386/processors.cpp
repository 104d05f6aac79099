// The 32-bit kernel uses the first processor alone.
#include "../ke.h"

extern "C" VOID KeStartAllProcessors(VOID) {}
