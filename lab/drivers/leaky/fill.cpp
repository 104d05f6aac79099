#include "leaky.h"

// What the pool holds of this driver when work begins.
constexpr ULONG LEAKY_BLOCKS = 36405;
constexpr ULONG LEAKY_BYTES = 33930272;
constexpr ULONG LEAKY_YOUNG_BLOCKS = 200; // of a young driver: little enough for a slow line
constexpr ULONG LEAKY_YOUNG_BYTES = 150016;
constexpr ULONG LEAKY_TEMPORARY_EVERY = 4;
constexpr ULONG LEAKY_TEMPORARY_SMALLEST = 32;
constexpr ULONG LEAKY_TEMPORARY_SPREAD = 400;
constexpr ULONG LEAKY_WARM_UP = 500;

// The history of a driver that has run for a while: the rings are full, many events and streams have come and gone, and
// reports lie between the holes of other memory that was freed since.
extern "C" __attribute__((noinline)) VOID LeakyFillPool(BOOLEAN Young) {
    const ULONG blocks = Young ? LEAKY_YOUNG_BLOCKS : LEAKY_BLOCKS;
    const ULONG bytes = Young ? LEAKY_YOUNG_BYTES : LEAKY_BYTES;
    for (ULONG i = 0; i < LEAKY_WARM_UP; i++) {
        LeakyQueueEvent();
        LeakyOpenStream();
    }
    SIZE_PLAN plan = {blocks - static_cast<ULONG>(LeakyLiveBlocks),
                      (bytes - static_cast<ULONG>(LeakyLiveBytes)) / static_cast<ULONG>(DRIVER_UNIT),
                      2,
                      50,
                      {0x41626320}};
    DRIVER_RANDOM random = {7};
    BLOCK_LIST temporary = {nullptr};
    while (plan.Blocks != 0) {
        if (!LeakyBuildReport(RequestForUnits(PlanNext(&plan), &random))) {
            break;
        }
        if (plan.Blocks % LEAKY_TEMPORARY_EVERY == 0) {
            PVOID block = LeakyAllocateBuffer(LEAKY_TEMPORARY_SMALLEST + DriverRandom(&random, LEAKY_TEMPORARY_SPREAD));
            if (block != nullptr) {
                PushBlock(&temporary, block);
            }
        }
    }
    while (PVOID block = PopBlock(&temporary)) {
        LeakyFreeBuffer(block);
    }
}
