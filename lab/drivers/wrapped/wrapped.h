// A driver with allocators of its own, each kept by a real call. All its memory comes through them:
//   sessions   'WrSe' through MyAlloc; never freed: a leak
//   log        'WrLg' through MyAllocZeroed, which calls MyAlloc; never freed: a leak
//   packets    'WrPk' through MyAllocZeroed; come and go
//   names      'WrNm' through MyAlloc; allocated once
#pragma once

#include "../counted.h"

extern "C" {
extern volatile ULONG64 WrappedRequests; // that came through MyAlloc and are not freed

PVOID MyAlloc(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag);
PVOID MyAllocZeroed(SIZE_T Bytes, ULONG Tag);
VOID MyFree(PVOID Block, ULONG Tag);
}
