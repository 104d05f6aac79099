// The list of loaded modules, in load order with the kernel first, and the memory of those that were unloaded.
#include "../ke/ke.h"
#include "../mm/pe.h"

constexpr ULONG MiUnloadedDriverSlots = 50;
constexpr ULONG MiTagModule = 'dLmM';                               // MmLd
constexpr ULONG MiTagUnloaded = 'TDmM';                             // MmDT
constexpr ULONG LDRP_SYSTEM_MODULE_FLAGS = 0x00004000 | 0x00000004; // loaded, image

extern "C" {
NTKERNELAPI LIST_ENTRY PsLoadedModuleList = {&PsLoadedModuleList, &PsLoadedModuleList};
KSPIN_LOCK PsLoadedModuleSpinLock;
PUNLOADED_DRIVERS MmUnloadedDrivers;
ULONG MmLastUnloadedDriver; // index of the next slot
KLDR_DATA_TABLE_ENTRY MiKernelModuleEntry;
}

// Folder and name as text and as the wide string that an entry holds; the latter comes from the pool.
static BOOLEAN MiMakeName(PUNICODE_STRING Name, PCSTR Folder, PCSTR FileName) {
    SIZE_T folder_length = strlen(Folder);
    SIZE_T length = folder_length + strlen(FileName);
    PWSTR buffer = static_cast<PWSTR>(ExAllocatePoolWithTag(NonPagedPoolNx, (length + 1) * sizeof(WCHAR), MiTagModule));
    if (buffer == nullptr) {
        return FALSE;
    }
    for (SIZE_T i = 0; i < length; i++) {
        buffer[i] = static_cast<WCHAR>(i < folder_length ? Folder[i] : FileName[i - folder_length]);
    }
    buffer[length] = 0;
    Name->Buffer = buffer;
    Name->Length = static_cast<USHORT>(length * sizeof(WCHAR));
    Name->MaximumLength = static_cast<USHORT>(Name->Length + sizeof(WCHAR));
    return TRUE;
}

static BOOLEAN MiFillEntry(PKLDR_DATA_TABLE_ENTRY Entry, PCSTR Folder, PCSTR FileName, PVOID Base, SIZE_T Size) {
    MI_IMAGE image = {static_cast<PUCHAR>(Base), Size};
    const IMAGE_NT_HEADERS* nt = image.Headers();
    if (nt == nullptr || !MiMakeName(&Entry->FullDllName, Folder, FileName)) {
        return FALSE;
    }
    if (!MiMakeName(&Entry->BaseDllName, "", FileName)) {
        ExFreePoolWithTag(Entry->FullDllName.Buffer, MiTagModule);
        return FALSE;
    }
#if LAB_ERA == 7
    constexpr ULONG_PTR no_imports = ~ULONG_PTR(1);
    Entry->LoadedImports = reinterpret_cast<PVOID>(no_imports);
#else
    const IMAGE_DATA_DIRECTORY& exceptions = nt->Directories[IMAGE_DIRECTORY_ENTRY_EXCEPTION];
    Entry->ExceptionTable = image.Base + exceptions.VirtualAddress;
    Entry->ExceptionTableSize = exceptions.Size;
    Entry->SizeOfImageNotRounded = nt->SizeOfImage;
    Entry->TimeDateStamp = nt->TimeDateStamp;
#endif
    Entry->DllBase = Base;
    Entry->EntryPoint = image.Base + nt->AddressOfEntryPoint;
    Entry->SizeOfImage = static_cast<ULONG>(Size);
    Entry->CheckSum = nt->CheckSum;
    Entry->Flags = LDRP_SYSTEM_MODULE_FLAGS;
    Entry->LoadCount = 1;
    return TRUE;
}

static VOID MiInsertEntry(PKLDR_DATA_TABLE_ENTRY Entry) {
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&PsLoadedModuleSpinLock);
    InsertTailList(&PsLoadedModuleList, &Entry->InLoadOrderLinks);
    KeReleaseSpinLock(&PsLoadedModuleSpinLock, irql);
}

extern "C" INIT_FUNCTION VOID MmInitializeLoadedModuleList(VOID) {
    if (!MiFillEntry(&MiKernelModuleEntry, "\\SystemRoot\\system32\\", "ntoskrnl.exe",
                     reinterpret_cast<PVOID>(static_cast<ULONG_PTR>(KiLoaderBlock.KernelBase)),
                     static_cast<SIZE_T>(KiLoaderBlock.KernelSize))) {
        KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 5);
    }
    MiInsertEntry(&MiKernelModuleEntry);
    SIZE_T bytes = MiUnloadedDriverSlots * sizeof(UNLOADED_DRIVERS);
    MmUnloadedDrivers = static_cast<PUNLOADED_DRIVERS>(ExAllocatePoolWithTag(NonPagedPoolNx, bytes, MiTagUnloaded));
    if (MmUnloadedDrivers != nullptr) {
        memset(MmUnloadedDrivers, 0, bytes);
    }
}

extern "C" PKLDR_DATA_TABLE_ENTRY MiCreateModuleEntry(PCSTR FileName, PVOID Base, SIZE_T Size) {
    PKLDR_DATA_TABLE_ENTRY entry = static_cast<PKLDR_DATA_TABLE_ENTRY>(
        ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(KLDR_DATA_TABLE_ENTRY), MiTagModule));
    if (entry == nullptr) {
        return nullptr;
    }
    memset(entry, 0, sizeof(*entry));
    if (!MiFillEntry(entry, "\\SystemRoot\\system32\\drivers\\", FileName, Base, Size)) {
        ExFreePoolWithTag(entry, MiTagModule);
        return nullptr;
    }
    MiInsertEntry(entry);
    return entry;
}

// Keeps the name and the range, for return addresses found later. The name's buffer passes to the slot.
static VOID MiRememberUnloadedDriver(PKLDR_DATA_TABLE_ENTRY Entry) {
    if (MmUnloadedDrivers == nullptr) {
        ExFreePoolWithTag(Entry->BaseDllName.Buffer, MiTagModule);
        return;
    }
    PUNLOADED_DRIVERS slot = &MmUnloadedDrivers[MmLastUnloadedDriver % MiUnloadedDriverSlots];
    if (slot->Name.Buffer != nullptr) {
        ExFreePoolWithTag(slot->Name.Buffer, MiTagModule);
    }
    slot->Name = Entry->BaseDllName;
    slot->StartAddress = Entry->DllBase;
    slot->EndAddress = static_cast<PUCHAR>(Entry->DllBase) + Entry->SizeOfImage;
    slot->CurrentTime.QuadPart = KeQuerySystemTime();
    MmLastUnloadedDriver = (MmLastUnloadedDriver + 1) % MiUnloadedDriverSlots;
}

extern "C" VOID MiRemoveModuleEntry(PKLDR_DATA_TABLE_ENTRY Entry) {
    MiRememberUnloadedDriver(Entry); // first, so that the range is never in neither place
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&PsLoadedModuleSpinLock);
    RemoveEntryList(&Entry->InLoadOrderLinks);
    KeReleaseSpinLock(&PsLoadedModuleSpinLock, irql);
    ExFreePoolWithTag(Entry->FullDllName.Buffer, MiTagModule);
    ExFreePoolWithTag(Entry, MiTagModule);
}

extern "C" PKLDR_DATA_TABLE_ENTRY MiFindModule(PCSTR FileName) {
    SIZE_T length = strlen(FileName);
    for (PLIST_ENTRY link = PsLoadedModuleList.Flink; link != &PsLoadedModuleList; link = link->Flink) {
        PKLDR_DATA_TABLE_ENTRY entry = CONTAINING_RECORD(link, KLDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        SIZE_T i = 0;
        while (i < length && entry->BaseDllName.Length == length * sizeof(WCHAR) &&
               entry->BaseDllName.Buffer[i] == static_cast<WCHAR>(FileName[i])) {
            i++;
        }
        if (i == length) {
            return entry;
        }
    }
    return nullptr;
}

extern "C" VOID MiReportModule(PKLDR_DATA_TABLE_ENTRY Entry, BOOLEAN Load) {
    CHAR path[128];
    SIZE_T length = Entry->FullDllName.Length / sizeof(WCHAR);
    if (length >= sizeof(path)) {
        length = sizeof(path) - 1;
    }
    for (SIZE_T i = 0; i < length; i++) {
        path[i] = static_cast<CHAR>(Entry->FullDllName.Buffer[i]);
    }
    path[length] = 0;
    if (Load) {
        DbgLoadImageSymbols(path, Entry);
    } else {
        DbgUnLoadImageSymbols(path, Entry);
    }
}
