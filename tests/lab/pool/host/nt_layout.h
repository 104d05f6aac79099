// The pool's structures for the host build, in the order of Microsoft's public symbols.
#pragma once

#include "nt.h"

struct _EPROCESS;

struct _POOL_HEADER {
  union {
    struct {
      ULONG PreviousSize : 8;
      ULONG PoolIndex : 8;
      ULONG BlockSize : 8;
      ULONG PoolType : 8;
    };
    ULONG Ulong1;
  };
  ULONG PoolTag;
  _EPROCESS* ProcessBilled;
};

struct _POOL_TRACKER_TABLE {
  LONG Key;
  SIZE_T NonPagedBytes;
  SIZE_T NonPagedAllocs;
  SIZE_T NonPagedFrees;
  SIZE_T PagedBytes;
  SIZE_T PagedAllocs;
  SIZE_T PagedFrees;
};

struct _POOL_TRACKER_BIG_PAGES {
  ULONGLONG Va;
  ULONG Key;
  ULONG Pattern : 8;
  ULONG PoolType : 12;
  ULONG SlushSize : 12;
  SIZE_T NumberOfBytes;
};

struct _POOL_DESCRIPTOR {
  POOL_TYPE PoolType;
  ULONG_PTR NonPagedLock;
  LONG RunningAllocs;
  ULONGLONG PagesAllocated;
  ULONGLONG BigPagesAllocated;
  ULONGLONG BytesAllocated;
  LONG RunningDeAllocs;
  ULONGLONG PagesDeallocated;
  ULONGLONG BigPagesDeallocated;
  ULONGLONG BytesDeallocated;
  ULONG PoolIndex;
  LIST_ENTRY ListHeads[256];
};

union _SLIST_HEADER {
  struct {
    ULONGLONG Alignment;
    ULONGLONG Region;
  };
};
using SLIST_HEADER = _SLIST_HEADER;
using PSLIST_HEADER = SLIST_HEADER*;

using PALLOCATE_FUNCTION = PVOID (*)(POOL_TYPE, SIZE_T, ULONG);
using PFREE_FUNCTION = void (*)(PVOID);

struct _GENERAL_LOOKASIDE {
  SLIST_HEADER ListHead;
  USHORT Depth;
  USHORT MaximumDepth;
  ULONG TotalAllocates;
  ULONG AllocateMisses;
  ULONG TotalFrees;
  ULONG FreeMisses;
  POOL_TYPE Type;
  ULONG Tag;
  ULONG Size;
  PALLOCATE_FUNCTION Allocate;
  PFREE_FUNCTION Free;
  LIST_ENTRY ListEntry;
};
using GENERAL_LOOKASIDE = _GENERAL_LOOKASIDE;
using PGENERAL_LOOKASIDE = GENERAL_LOOKASIDE*;
struct NPAGED_LOOKASIDE_LIST {
  GENERAL_LOOKASIDE L;
};
using PNPAGED_LOOKASIDE_LIST = NPAGED_LOOKASIDE_LIST*;
struct PAGED_LOOKASIDE_LIST {
  GENERAL_LOOKASIDE L;
};
using PPAGED_LOOKASIDE_LIST = PAGED_LOOKASIDE_LIST*;
