#include "wrapped.h"

extern "C" {
volatile ULONG64 WrappedRequests;

__attribute__((noinline)) PVOID MyAlloc(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag) {
    PVOID block = ExAllocatePoolWithTag(PoolType, Bytes, Tag);
    WrappedRequests = WrappedRequests + 1;
    return block;
}

__attribute__((noinline)) PVOID MyAllocZeroed(SIZE_T Bytes, ULONG Tag) {
    PVOID block = MyAlloc(NonPagedPoolNx, Bytes, Tag);
    if (block != nullptr) {
        memset(block, 0, Bytes);
    }
    return block;
}

__attribute__((noinline)) VOID MyFree(PVOID Block, ULONG Tag) {
    ExFreePoolWithTag(Block, Tag);
    WrappedRequests = WrappedRequests - 1;
}
}
