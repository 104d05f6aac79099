"""What an image is made of: the types, members and variables of a table that are used, and a table cut down to them."""

# Members; None: all of them. Types that these lead to keep their size alone, unless they are named here.
TYPES = {
    "_POOL_HEADER": None, "_POOL_TRACKER_TABLE": None, "_POOL_TRACKER_BIG_PAGES": None,
    "_LIST_ENTRY": None, "_UNICODE_STRING": None, "_CLIENT_ID": None,
    "_POOL_DESCRIPTOR": ["PoolType", "PoolIndex", "RunningAllocs", "RunningDeAllocs", "TotalPages", "TotalBigPages", "TotalBytes"],
    "_LDR_DATA_TABLE_ENTRY": ["InLoadOrderLinks", "DllBase", "EntryPoint", "SizeOfImage", "FullDllName", "BaseDllName", "Flags",
                              "LoadCount", "ObsoleteLoadCount", "CheckSum", "TimeDateStamp"],
    "_KLDR_DATA_TABLE_ENTRY": ["InLoadOrderLinks", "DllBase", "EntryPoint", "SizeOfImage", "FullDllName", "BaseDllName", "Flags",
                               "LoadCount", "CheckSum", "SizeOfImageNotRounded", "TimeDateStamp"],
    "_KPCR": ["Self", "SelfPcr", "CurrentPrcb", "Prcb", "IdtBase", "IDT", "GdtBase", "GDT", "KdVersionBlock", "PrcbData",
              "MajorVersion", "MinorVersion"],
    "_KPRCB": ["CurrentThread", "NextThread", "IdleThread", "Number", "ProcessorState", "Context", "KernelDirectoryTableBase"],
    "_KPROCESSOR_STATE": None,
    "_KPROCESS": ["Header", "DirectoryTableBase", "UserDirectoryTableBase", "ThreadListHead"],
    "_DISPATCHER_HEADER": ["Type", "Size", "SignalState", "WaitListHead"],
    "_EPROCESS": ["Pcb", "CreateTime", "ExitTime", "UniqueProcessId", "ActiveProcessLinks", "InheritedFromUniqueProcessId", "Peb",
                  "ObjectTable", "ImageFileName", "ThreadListHead", "ActiveThreads", "VadRoot", "ExitStatus", "Session"],
    "_ETHREAD": ["Tcb", "CreateTime", "StartAddress", "Win32StartAddress", "Cid", "ThreadListEntry"],
    "_KTHREAD": ["Header", "InitialStack", "StackLimit", "StackBase", "KernelStack", "TrapFrame", "State", "WaitReason", "WaitMode",
                 "ApcState", "Process", "ThreadListEntry", "Teb", "Priority", "BasePriority", "KernelStackResident"],
    "_KAPC_STATE": ["ApcListHead", "Process"],
    "_MI_SYSTEM_INFORMATION": ["Vs"],
    "_MI_VISIBLE_STATE": ["SystemVaRegions", "SystemVaType", "SystemVaTypeCount"],
    "_MI_SYSTEM_VA_ASSIGNMENT": None,
    "_UNLOADED_DRIVERS": None,
}
ENUMS = ["_POOL_TYPE", "_MI_ASSIGNED_REGION_TYPES", "_MI_SYSTEM_VA_TYPE", "_KTHREAD_STATE", "_KWAIT_REASON"]

DATA = [
    "PoolTrackTable", "PoolTrackTableSize", "PoolTrackTableMask", "PoolTrackTableExpansion", "PoolTrackTableExpansionSize",
    "ExPoolTagTables", "PoolBigPageTable", "PoolBigPageTableSize", "ExpPoolBigEntriesInUse", "PoolHitTag", "ExpPoolFlags",
    "MmSpecialPoolTag", "NtGlobalFlag", "ExpPoolQuotaCookie", "PoolVector", "NonPagedPoolDescriptor", "ExpNonPagedPoolDescriptor",
    "ExpPagedPoolDescriptor", "ExpNumberOfNonPagedPools", "ExpNumberOfPagedPools", "ExPoolState", "ExpHeapBackedPoolEnabledState",
    "RtlpHpHeapGlobals", "MmNonPagedPoolStart", "MmNonPagedPoolEnd", "MiNonPagedPoolEnd", "MmNonPagedPoolExpansionStart",
    "MmSizeOfNonPagedPoolInBytes", "MmPagedPoolStart", "MiPagedPoolStart", "MmPagedPoolEnd", "MmSizeOfPagedPoolInBytes",
    "MiSystemVaType", "MiState", "MiVisibleState", "MmSystemRangeStart", "MmPteBase", "MmPfnDatabase", "MmUnloadedDrivers",
    "MmLastUnloadedDriver", "PsLoadedModuleList", "PsActiveProcessHead", "PsInitialSystemProcess", "PsIdleProcess", "KiInitialPCR",
    "KiInitialProcess", "KiProcessorBlock", "KdDebuggerDataBlock", "KdVersionBlock", "KdpDataBlockEncoded", "KiWaitNever",
    "KiWaitAlways", "KiBugCheckData", "KeNumberProcessors", "NtBuildNumber", "NtBuildLab", "CmNtCSDVersion", "KdpDebuggerDataListHead",
]
CODE = [
    "KiDivideErrorFault", "KiTrap00", "DbgBreakPoint", "KeBugCheckEx", "KeBugCheck2", "ExAllocatePoolWithTag", "ExFreePoolWithTag",
    "ExAllocateHeapPool", "ExFreeHeapPool", "ExAllocatePool2", "KiSystemCall64", "KiSystemServiceCopyEnd", "KiIdleLoop",
    "PspSystemThreadStartup", "KiStartSystemThread",
]


def distil(isf, build):
    """The parts of a table that an image is made of; it stays a table."""
    used = set()

    def keep(node):
        """The node, with pointers to what is not kept as pointers to void."""
        kind = node["kind"]
        if kind == "pointer":
            return {"kind": "pointer", "subtype": {"kind": "base", "name": "void"}}
        if kind == "array":
            return {**node, "subtype": keep(node["subtype"])}
        if kind == "bitfield":
            return {**node, "type": keep(node["type"])}
        if kind == "enum" and node["name"] not in ENUMS:
            return {"kind": "base", "name": "long"}
        if kind in ("struct", "union", "class"):
            used.add(node["name"])
        return node

    types = {}
    for name, members in TYPES.items():
        whole = isf["user_types"].get(name)
        if not whole or not whole["fields"]:
            continue
        fields = {member: {"offset": field["offset"], "type": keep(field["type"])}
                  for member, field in whole["fields"].items() if members is None or member in members}
        types[name] = {"fields": fields, "kind": whole["kind"], "size": whole["size"]}
    for name in sorted(used - types.keys()):
        types[name] = {"fields": {}, "kind": "struct", "size": isf["user_types"].get(name, {"size": 0})["size"]}
    windows = {"pdb": isf["metadata"]["windows"]["pdb"], "pe": {"major": 10 if build >= 10240 else 6 if build >= 6000 else 5,
                                                              "minor": 0, "revision": 0, "build": build}}
    return {
        "metadata": {"format": "6.2.0", "windows": windows},
        "base_types": isf["base_types"],
        "user_types": types,
        "enums": {name: isf["enums"][name] for name in ENUMS if name in isf["enums"]},
        "symbols": {name: {"address": isf["symbols"][name]["address"]} for name in DATA + CODE if name in isf["symbols"]},
    }
