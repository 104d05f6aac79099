// Drivers: an image, an object that describes it, and its entry.
#include "psp.h"

constexpr ULONG IopTagDriver = 'virD'; // Driv
constexpr SHORT IO_TYPE_DRIVER = 4;
constexpr ULONG IopMaximumDrivers = 64;

extern "C" {
PDRIVER_OBJECT IopDriverObjects[IopMaximumDrivers];
VOID MiFreeDiscardableSections(PKLDR_DATA_TABLE_ENTRY Entry);
}

// A free slot, or that of the driver whose image is Section.
static PDRIVER_OBJECT* IopFindDriver(PVOID Section) {
    for (PDRIVER_OBJECT& driver : IopDriverObjects) {
        if (driver == nullptr ? Section == nullptr : driver->DriverSection == Section) {
            return &driver;
        }
    }
    return nullptr;
}

static PDRIVER_OBJECT IopCreateDriverObject(PKLDR_DATA_TABLE_ENTRY Image) {
    PDRIVER_OBJECT* slot = IopFindDriver(nullptr);
    PDRIVER_OBJECT driver =
        slot == nullptr
            ? nullptr
            : static_cast<PDRIVER_OBJECT>(ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(DRIVER_OBJECT), IopTagDriver));
    if (driver == nullptr) {
        return nullptr;
    }
    memset(driver, 0, sizeof(*driver));
    driver->Type = IO_TYPE_DRIVER;
    driver->Size = sizeof(*driver);
    driver->DriverStart = Image->DllBase;
    driver->DriverSize = Image->SizeOfImage;
    driver->DriverSection = Image;
    driver->DriverName = Image->BaseDllName;
    driver->DriverInit = reinterpret_cast<PDRIVER_INITIALIZE>(Image->EntryPoint);
    *slot = driver;
    return driver;
}

static VOID IopDeleteDriverObject(PDRIVER_OBJECT Driver) {
    if (PDRIVER_OBJECT* slot = IopFindDriver(Driver->DriverSection)) {
        *slot = nullptr;
    }
    ExFreePoolWithTag(Driver, IopTagDriver);
}

extern "C" NOINLINE NTSTATUS IopLoadDriver(PCSTR FileName) {
    PKLDR_DATA_TABLE_ENTRY image = nullptr;
    NTSTATUS status = MmLoadSystemImage(FileName, &image);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    PDRIVER_OBJECT driver = IopCreateDriverObject(image);
    if (driver == nullptr) {
        MmUnloadSystemImage(image);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    UNICODE_STRING registry_path;
    RtlInitUnicodeString(&registry_path, L"\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services");
    status = driver->DriverInit(driver, &registry_path);
    if (!NT_SUCCESS(status)) {
        IopDeleteDriverObject(driver);
        MmUnloadSystemImage(image);
        return status;
    }
    MiFreeDiscardableSections(image);
    return status;
}

extern "C" NOINLINE NTSTATUS IopUnloadDriver(PCSTR FileName) {
    PKLDR_DATA_TABLE_ENTRY image = MiFindModule(FileName);
    PDRIVER_OBJECT* slot = image == nullptr ? nullptr : IopFindDriver(image);
    if (slot == nullptr || (*slot)->DriverUnload == nullptr) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    (*slot)->DriverUnload(*slot);
    IopDeleteDriverObject(*slot);
    return MmUnloadSystemImage(image);
}
