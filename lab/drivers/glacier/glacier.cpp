// A driver with blocks of one size in paged pool and a single nonpaged one, tagged 'Gla5', from ExAllocatePool2.
#include "../driver.h"

constexpr ULONG GLACIER_TAG = DriverTag("Gla5");
constexpr ULONG GLACIER_BLOCKS = 2222;
constexpr SIZE_T GLACIER_LAYER_BYTES = RequestForBytes(416);
constexpr SIZE_T GLACIER_LOCK_BYTES = RequestForBytes(128);

static BLOCK_LIST GlacierLayers;

extern "C" {
volatile ULONG64 GlacierLiveBlocks;
volatile ULONG64 GlacierLiveBytes;
PVOID GlacierLock;

__attribute__((noinline)) PVOID GlacierAllocate(POOL_FLAGS Flags, SIZE_T Bytes) {
    PVOID block = ExAllocatePool2(Flags, Bytes, GLACIER_TAG);
    if (block != nullptr) {
        GlacierLiveBlocks = GlacierLiveBlocks + 1;
        GlacierLiveBytes = GlacierLiveBytes + TrackedBytes(Bytes);
    }
    return block;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    GlacierLock = GlacierAllocate(POOL_FLAG_NON_PAGED, GLACIER_LOCK_BYTES);
    for (ULONG i = 0; i < GLACIER_BLOCKS; i++) {
        if (PVOID layer = GlacierAllocate(POOL_FLAG_PAGED | POOL_FLAG_UNINITIALIZED, GLACIER_LAYER_BYTES)) {
            PushBlock(&GlacierLayers, layer);
        }
    }
    return STATUS_SUCCESS;
}
}
