// The registry, as far as the kernel has one: boot flags in the first sector of the primary IDE disk, which stay when
// the machine restarts.
#pragma once

#include "nt.h"

constexpr ULONG CmSectorBytes = 512;

// Reads one sector of the primary master by programmed I/O. FALSE when there is no such disk or it does not answer.
BOOLEAN CmpReadSector(ULONG Sector, PUCHAR Buffer);

// The global flags of a hive sector: "LABHIVE1", the flags, and the sum of these 12 bytes, numbers little-endian.
// FALSE when the sector is no hive or its sum is wrong.
BOOLEAN CmpParseHive(const UCHAR* Sector, PULONG GlobalFlag);

// The global flags to start with: the hive's, or those of a new machine (pool tagging on).
ULONG CmReadGlobalFlag(VOID);
