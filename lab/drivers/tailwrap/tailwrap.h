// A driver whose allocators end in jumps: none of them is on the stack when the pool is reached.
//   sessions   'TwSe' through TwNewSession, which jumps (on x86 it calls) to TwAllocateBounded; never freed: a leak
//   events     'TwEv' called in TwLogEvent; never freed: a leak
//   buffers    'TwBf' called in TwQueueBuffer; come and go
#pragma once

#include "../counted.h"

extern "C" {
PVOID TwAllocate(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag);
PVOID TwAllocateBounded(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag);
VOID TwFree(PVOID Block, ULONG Tag);
}
