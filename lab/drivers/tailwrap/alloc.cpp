#include "tailwrap.h"

constexpr SIZE_T TW_LARGEST = 2048;

extern "C" {
__attribute__((noinline)) PVOID TwAllocate(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag) {
    return ExAllocatePoolWithTag(PoolType, Bytes, Tag);
}

__attribute__((noinline)) PVOID TwAllocateBounded(POOL_TYPE PoolType, SIZE_T Bytes, ULONG Tag) {
    if (Bytes > TW_LARGEST) {
        return nullptr;
    }
    return TwAllocate(PoolType, Bytes, Tag);
}

__attribute__((noinline)) VOID TwFree(PVOID Block, ULONG Tag) {
    ExFreePoolWithTag(Block, Tag);
}
}
