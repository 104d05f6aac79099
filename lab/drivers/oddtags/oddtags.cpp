// A driver with tags that are hard to type or to find: one with blanks, one with bytes that cannot be printed, and one
// that no instruction holds, since it comes from a variable.
#include "../counted.h"

constexpr ULONG ODD_TAG_BLANKS = DriverTag("O d ");       // comes and goes
constexpr ULONG ODD_TAG_BYTES = DriverTag("\x01O\xFE\t"); // never freed: a leak

constexpr LONGLONG ODD_ROUND = 80; // ms
constexpr ULONG ODD_PORTS = 3;     // in a round
constexpr ULONG ODD_DRIVES = 1;    // on the average
constexpr ULONG ODD_VOLUMES = 2;
constexpr SIZE_T ODD_PORT_BYTES = 96;
constexpr SIZE_T ODD_DRIVE_BYTES = 152;
constexpr SIZE_T ODD_VOLUME_BYTES = 104;

static BLOCK_LIST OddDriveList;
static BLOCK_LIST OddVolumeList;
static BLOCK_RING OddPortRing;
static DRIVER_RANDOM OddRandom = {107};

extern "C" {
volatile DRIVER_COUNTERS OddPorts;
volatile DRIVER_COUNTERS OddDrives;
volatile DRIVER_COUNTERS OddVolumes;
ULONG OddVolumeTag = DriverTag("OdVo");

__attribute__((noinline)) VOID OddOpenPort(VOID) {
    PVOID port = ExAllocatePoolWithTag(NonPagedPoolNx, ODD_PORT_BYTES, ODD_TAG_BLANKS);
    CountAllocation(&OddPorts, port, ODD_PORT_BYTES);
    if (port == nullptr) {
        return;
    }
    if (PVOID oldest = RingExchange(&OddPortRing, port)) {
        ExFreePoolWithTag(oldest, ODD_TAG_BLANKS);
        CountFree(&OddPorts, ODD_PORT_BYTES);
    }
}

__attribute__((noinline)) VOID OddMountDrive(VOID) {
    PVOID drive = ExAllocatePoolWithTag(NonPagedPoolNx, ODD_DRIVE_BYTES, ODD_TAG_BYTES);
    CountAllocation(&OddDrives, drive, ODD_DRIVE_BYTES);
    if (drive != nullptr) {
        PushBlock(&OddDriveList, drive);
    }
}

__attribute__((noinline)) VOID OddMountVolume(VOID) {
    PVOID volume = ExAllocatePoolWithTag(NonPagedPoolNx, ODD_VOLUME_BYTES, OddVolumeTag);
    CountAllocation(&OddVolumes, volume, ODD_VOLUME_BYTES);
    if (volume != nullptr) {
        PushBlock(&OddVolumeList, volume);
    }
}

__attribute__((noinline)) VOID OddServe(VOID) {
    for (ULONG i = 0; i < ODD_PORTS; i++) {
        OddOpenPort();
    }
    for (ULONG i = DriverLoad(&OddRandom, ODD_DRIVES); i != 0; i--) {
        OddMountDrive();
    }
    for (ULONG i = DriverLoad(&OddRandom, ODD_VOLUMES); i != 0; i--) {
        OddMountVolume();
    }
}

__attribute__((noinline)) VOID OddWorker(PVOID) {
    for (;;) {
        DriverSleep(ODD_ROUND);
        OddServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += ODD_ROUND) {
        OddServe();
    }
    return DriverStartThread(OddWorker);
}
}
