"""Places for the variables of kernels whose tables have types alone, as C headers do.

Which variables a kernel has follows its era (what tables of kernels of the same time have); where they lie is invented.
"""

import needs
import tables

COMMON = [
    "PoolTrackTable", "PoolTrackTableSize", "PoolTrackTableMask", "PoolBigPageTable", "PoolBigPageTableSize", "PoolHitTag",
    "MmSpecialPoolTag", "NtGlobalFlag", "MmSystemRangeStart", "PsLoadedModuleList", "PsActiveProcessHead", "PsInitialSystemProcess",
    "PsIdleProcess", "KiProcessorBlock", "KdDebuggerDataBlock", "KdVersionBlock", "KiBugCheckData", "KeNumberProcessors",
    "NtBuildNumber", "NtBuildLab", "DbgBreakPoint", "KeBugCheckEx", "ExAllocatePoolWithTag", "ExFreePoolWithTag",
]
EXPANSION = ["PoolTrackTableExpansion", "PoolTrackTableExpansionSize"]
DESCRIPTORS = ["PoolVector", "NonPagedPoolDescriptor", "ExpNumberOfPagedPools", "ExpPagedPoolDescriptor"]
FIXED_RANGES = ["MmNonPagedPoolStart", "MmSizeOfNonPagedPoolInBytes", "MmNonPagedPoolExpansionStart", "MmNonPagedPoolEnd",
                "MmPagedPoolStart", "MmPagedPoolEnd", "MmSizeOfPagedPoolInBytes"]
SINCE_VISTA = ["ExPoolTagTables", "ExpPoolBigEntriesInUse", "ExpPoolFlags", "ExpNumberOfNonPagedPools", "ExpNonPagedPoolDescriptor"]
SINCE_8 = ["KdpDataBlockEncoded", "KiWaitNever", "KiWaitAlways", "ExpPoolQuotaCookie"]
SINCE_19H1 = ["ExPoolState", "RtlpHpHeapGlobals", "ExAllocateHeapPool", "ExFreeHeapPool", "ExAllocatePool2", "MiState", "MiVisibleState"]
FIRST_CODE, FIRST_DATA = 0x1000, 0x180000


def names_of(build, pointer):
    names = COMMON + (["KiDivideErrorFault", "KiSystemCall64"] if pointer == 8 else ["KiTrap00"])
    if build >= 3790:
        names += EXPANSION
    if build < 10240:
        names += DESCRIPTORS
    if build < 6000:
        return names + FIXED_RANGES
    names += SINCE_VISTA
    if build < 9200:
        return names + (["MmNonPagedPoolStart", "MiNonPagedPoolEnd", "MmPagedPoolEnd"] if pointer == 8 else ["MiSystemVaType"])
    return names + SINCE_8 + SINCE_19H1 + (["MmPteBase"] if pointer == 8 else [])


def plan(isf, build, random):
    """Gives each variable and function of the era a place, in a random order with gaps."""
    types = tables.Table({**isf, "metadata": {"windows": {"pdb": {}}}}, "header")

    def size(name):
        arrays = {"ExPoolTagTables": 64, "KiProcessorBlock": 64, "ExpPagedPoolDescriptor": 17, "ExpNonPagedPoolDescriptor": 64,
                  "PoolVector": 2, "PsLoadedModuleList": 2, "PsActiveProcessHead": 2, "KiBugCheckData": 5}
        special = {"KdDebuggerDataBlock": 0x380, "KdVersionBlock": 0x28, "NtBuildLab": 0x60, "MiSystemVaType": 0x800,
                   "NonPagedPoolDescriptor": 2 * 0x1140, "ExPoolState": 0x1000,
                   "MiState": isf["user_types"].get("_MI_SYSTEM_INFORMATION", {"size": 0})["size"]}
        return special.get(name) or arrays.get(name, 1) * types.pointer

    names = names_of(build, types.pointer)
    random.shuffle(names)
    code, data, symbols = FIRST_CODE, FIRST_DATA, {}
    for name in names:
        if name in needs.CODE:
            code += random.randrange(0x10, 0x4000, 0x10)
            symbols[name] = {"address": code}
        else:
            data += random.randrange(0, 0x800, 0x40)
            symbols[name] = {"address": data}
            data += (size(name) + 0x3f) & ~0x3f
    return symbols
