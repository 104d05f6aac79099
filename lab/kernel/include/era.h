// Which Windows the kernel is like (lab/build --era): what changed between releases and is not a matter of member lists
// alone, which lab/layout/*.layout has.
#pragma once

#include "nt_addresses.h"

#if LAB_ERA == 7
#define KI_BUILD 7601
#define KI_BUILD_TEXT "7601"
constexpr unsigned long KiMajorVersion = 6, KiMinorVersion = 1;
#elif LAB_ERA == 10
#define KI_BUILD 19041
#define KI_BUILD_TEXT "19041"
constexpr unsigned long KiMajorVersion = 10, KiMinorVersion = 0;
#else
#define KI_BUILD 22000
#define KI_BUILD_TEXT "22000"
constexpr unsigned long KiMajorVersion = 10, KiMinorVersion = 0;
#endif

// KDDEBUGGER_DATA64: later releases have more of it.
constexpr unsigned long KdpDataBlockSize = LAB_ERA == 7 ? 0x340 : 0x380;
// Windows 8 brought the requests for a part of a CONTEXT.
constexpr bool KdpHasContextEx = LAB_ERA >= 10;
