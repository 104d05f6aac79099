#include "leaky.h"

constexpr ULONG LEAKY_TEMPORARY_EVERY = 4;
constexpr ULONG LEAKY_TEMPORARY_SMALLEST = 32;
constexpr ULONG LEAKY_TEMPORARY_SPREAD = 400;
constexpr ULONG LEAKY_WARM_UP = 500;

// The history of a driver that has run for a while: the rings are full, many events and streams have come and gone, and
// reports lie between the holes of other memory that was freed since.
extern "C" __attribute__((noinline)) VOID LeakyFillPool(const LEAKY_HISTORY* History) {
    for (ULONG i = 0; i < LEAKY_WARM_UP; i++) {
        LeakyQueueEvent();
        LeakyOpenStream();
    }
    SIZE_PLAN plan = {History->Blocks - static_cast<ULONG>(LeakyLiveBlocks),
                      (History->Bytes - static_cast<ULONG>(LeakyLiveBytes)) / static_cast<ULONG>(DRIVER_UNIT),
                      2,
                      History->Spread,
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
