"""The kernel's image and the records it keeps outside of the pool: debugger data, processors, modules, processes.

Structures come from the symbol table; what no table has (KDDEBUGGER_DATA64, KUSER_SHARED_DATA, descriptors of interrupts)
comes from public headers.
"""

import struct

import pe_image
from paging import Tables
from physical import PAGE
from records import Record, unicode_string
from registers import Registers

IMAGE_MACHINE = {8: 0x8664, 4: 0x14C}

# KDDEBUGGER_DATA64: the address of a variable (or of an array or list) at each offset.
DEBUGGER_DATA = {
    0x48: "PsLoadedModuleList", 0x50: "PsActiveProcessHead", 0x68: "ExpPagedPoolDescriptor", 0x70: "ExpNumberOfPagedPools",
    0x88: "KiBugCheckData", 0xC0: "MmPfnDatabase", 0x110: "MmNonPagedPoolStart", 0x118: "MmNonPagedPoolEnd",
    0x120: "MmPagedPoolStart", 0x128: "MmPagedPoolEnd", 0x140: "MmSizeOfPagedPoolInBytes", 0x1B8: "PoolTrackTable",
    0x1C0: "NonPagedPoolDescriptor", 0x1D0: "MmSystemRangeStart", 0x208: "NtBuildLab", 0x218: "KiProcessorBlock",
    0x220: "MmUnloadedDrivers", 0x228: "MmLastUnloadedDriver", 0x238: "MmSpecialPoolTag", 0x268: "CmNtCSDVersion",
}
# Offsets of members, as 16-bit numbers.
DEBUGGER_OFFSETS = {
    0x29C: ("_KTHREAD", "KernelStack"), 0x29E: ("_KTHREAD", "InitialStack"), 0x2A0: ("_KTHREAD", "ApcState.Process"),
    0x2A2: ("_KTHREAD", "State"), 0x2AA: ("_EPROCESS", "Peb"), 0x2AC: ("_EPROCESS", "InheritedFromUniqueProcessId"),
    0x2AE: ("_EPROCESS", "Pcb.DirectoryTableBase"), 0x2B4: ("_KPRCB", "CurrentThread"), 0x2BC: ("_KPRCB", "ProcessorState.ContextFrame"),
    0x2BE: ("_KPRCB", "Number"), 0x2F2: ("_KPRCB", "ProcessorState.SpecialRegisters"), 0x338: ("_KPRCB", "Context"),
}


def debugger_data_size(build):
    for first, size in ((10240, 0x380), (9200, 0x360), (6000, 0x340), (3790, 0x318)):
        if build >= first:
            return size
    return 0x290


class Kernel:
    """Builds the image at `base` into the space; variables are then set by their names."""

    def __init__(self, space, table, build, base, random):
        self.space, self.table, self.build, self.base, self.random = space, table, build, base, random
        self.pointer = table.pointer
        self.processors = []  # Registers
        self._image()

    def address(self, symbol):
        return self.base + self.table.rva(symbol)

    def has(self, symbol):
        return self.table.has_symbol(symbol)

    def set(self, symbol, value, size=None):
        """Where the kernel has such a variable."""
        if self.has(symbol):
            size = size or self.pointer
            self.space.write(self.address(symbol), (value & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def set_list_head(self, symbol, links):
        """A circular list through the links, in their order."""
        head = self.address(symbol) if isinstance(symbol, str) else symbol
        ring = [head, *links]
        for i, link in enumerate(ring):
            self.space.write_pointer(link, ring[(i + 1) % len(ring)])
            self.space.write_pointer(link + self.pointer, ring[i - 1])

    def _image(self):
        symbols = self.table.symbols.values()
        content = (max(symbol["address"] for symbol in symbols) + 0x6000) & -PAGE
        debug_rva, export_rva = content, content + 0x800
        self.size = content + 2 * PAGE
        self.space.map_image(self.base, self.size)
        pdb = self.table.pdb
        debug = pe_image.debug_directory(debug_rva, pe_image.rsds(pdb["GUID"], pdb["age"], pdb["database"]))
        exported = ["NtBuildNumber", "PsInitialSystemProcess", "PsLoadedModuleList", "KeBugCheckEx", "ExAllocatePoolWithTag"]
        exports = pe_image.export_directory(export_rva, "ntoskrnl.exe",
                                            {name: self.table.rva(name) for name in exported if self.has(name)})
        sections = [(".text", PAGE, content - 2 * PAGE, pe_image.EXECUTE | pe_image.READ | pe_image.CODE),
                    ("POOLCODE", content - PAGE, PAGE, pe_image.EXECUTE | pe_image.READ | pe_image.CODE),
                    (".rdata", content, PAGE, pe_image.READ | pe_image.DATA),
                    ("INITKDBG", content + PAGE, PAGE, pe_image.EXECUTE | pe_image.READ | pe_image.CODE)]
        self.timestamp = self.random.randrange(0x40000000, 0x65000000)
        self.checksum = self.random.randrange(1 << 20, 1 << 24)
        self.space.write(self.base, pe_image.headers(IMAGE_MACHINE[self.pointer], self.base, self.size, self.timestamp, self.checksum, sections,
                                                     {0: (export_rva, len(exports)), 6: (debug_rva, 56)}))
        self.space.write(self.base + debug_rva, debug)
        self.space.write(self.base + export_rva, exports)
        for name in ("DbgBreakPoint", "KeBugCheckEx", "KiDivideErrorFault", "KiTrap00"):
            if self.has(name):
                self.space.write(self.address(name), b"\xcc\xc3")
        self.set("NtBuildNumber", 0xF0000000 | self.build, 4)
        self.set("NtGlobalFlag", 0x400, 4)
        self.set("MmSystemRangeStart", 0xFFFF080000000000 if self.pointer == 8 else 0x80000000)
        if self.pointer == 8:
            self.set("MmPteBase", 0xFFFF << 48 | self.space.mode.self_entry << 39)

    # --- the page of system data that all processes see

    def shared_data(self):
        place = 0xFFFFF78000000000 if self.pointer == 8 else 0xFFDF0000
        self.space.map(place, PAGE)
        major, minor = next(version for first, version in ((10240, (10, 0)), (9600, (6, 3)), (9200, (6, 2)), (7600, (6, 1)), (6000, (6, 0)),
                                                           (3790, (5, 2)), (0, (5, 1))) if self.build >= first)
        number = self.build if self.build >= 10240 else 0
        for offset, value in ((0x14, 0x5A5A1234), (0x18, 0x01DA0000), (0x260, number), (0x264, 1), (0x26C, major), (0x270, minor),
                              (0x2D0, 0x110), (0x2E8, 0x10000)):
            self.space.write(place + offset, struct.pack("<I", value))

    # --- what debuggers look for

    def debugger_data(self, encoded):
        size = debugger_data_size(self.build)
        place = self.address("KdDebuggerDataBlock")
        # 32-bit kernels keep addresses in 8 bytes either way.
        extend = 0 if self.pointer == 8 or self.random.random() < 0.5 else 0xFFFFFFFF << 32
        block = bytearray(0x400)

        def put(offset, value):
            struct.pack_into("<Q", block, offset, value | extend if value else 0)
        struct.pack_into("<QQ" if self.pointer == 8 else "<II", block, 0, place, place)
        block[0x10:0x14] = b"KDBG"
        struct.pack_into("<I", block, 0x14, size)
        put(0x18, self.base)
        for offset, name in DEBUGGER_DATA.items():
            if self.has(name):
                put(offset, self.address(name))
        struct.pack_into("<Q", block, 0x138, PAGE)
        for offset, (type_name, path) in DEBUGGER_OFFSETS.items():
            if self.table.has(type_name, path.split(".")[0]):
                struct.pack_into("<H", block, offset, self.table.offset(type_name, path))
        struct.pack_into("<HH", block, 0x2A8, self.table.size("_EPROCESS"), 0)
        struct.pack_into("<H", block, 0x2AA, self.table.offset("_EPROCESS", "Peb") if self.table.has("_EPROCESS", "Peb") else 0)
        block = bytes(block[:size])
        if encoded:
            block = self._encode(block)
        self.space.write(place, block)
        if self.has("NtBuildLab"):
            self.space.write(self.address("NtBuildLab"), f"{self.build}.forge.000000-0000".encode() + b"\0")
        return place

    def _encode(self, block):
        """As kernels since Windows 8 keep it while no debugger is attached."""
        never, always = self.random.getrandbits(64), self.random.getrandbits(64)
        self.set("KiWaitNever", never, 8)
        self.set("KiWaitAlways", always, 8)
        self.set("KdpDataBlockEncoded", 1, 1)
        flag, turn = self.address("KdpDataBlockEncoded"), never & 0x3F
        words = []
        for (word,) in struct.iter_unpack("<Q", block):
            word = int.from_bytes((word ^ always).to_bytes(8, "little"), "big") ^ flag
            word = (word >> turn | word << 64 - turn) & (1 << 64) - 1
            words.append(word ^ never)
        return struct.pack(f"<{len(words)}Q", *words)

    # --- processors

    def interrupt_table(self, place):
        self.space.map(place, PAGE)
        handler = self.address("KiDivideErrorFault" if self.pointer == 8 else "KiTrap00")
        for vector in range(256):
            low, high = handler & 0xFFFF, handler >> 16 & 0xFFFF
            if self.pointer == 8:
                gate = struct.pack("<HHHHII", low, 0x10, 0x8E00, high, handler >> 32 & 0xFFFFFFFF, 0)
            else:
                gate = struct.pack("<HHHH", low, 8, 0x8E00, high)
            self.space.write(place + vector * len(gate), gate)
        return place

    def processor(self, number, place, thread, stack, idt, cr3):
        """KPCR with its KPRCB at `place`; stands in the kernel on that stack."""
        table, pointer = self.table, self.pointer
        member = table.first_of("_KPCR", "Prcb", "PrcbData") if pointer == 8 else "PrcbData"
        inside = table.offset("_KPCR", member) if member else 0x180  # there in all versions of x64
        prcb = place + inside
        self.space.map(place, inside + max(table.size("_KPRCB"), 0xC00) + PAGE)
        registers = Registers(pointer, self.address("KeBugCheckEx" if number == 0 else "DbgBreakPoint"), stack, cr3, self.space.mode.cr4,
                              idt, idt + PAGE // 2 if pointer == 4 else idt, place)
        pcr = Record(table, "_KPCR")
        if pointer == 8:
            pcr.set("Self", place).set("CurrentPrcb", prcb).set("IdtBase", idt)
        else:
            pcr.set("SelfPcr", place).set("Prcb", prcb).set("IDT", idt)
            if number == 0:
                pcr.set("KdVersionBlock", self.address("KdVersionBlock") if self.has("KdVersionBlock") else 0)
        self.space.write(place, pcr.bytes[:inside])
        record = Record(table, "_KPRCB")
        record.set("CurrentThread", thread).set("Number", number)
        state = table.offset("_KPRCB", "ProcessorState")
        special_size = table.size("_KPROCESSOR_STATE") - len(registers.context())
        special = state + table.offset("_KPROCESSOR_STATE", "SpecialRegisters")
        context = state + table.offset("_KPROCESSOR_STATE", "ContextFrame")
        record.bytes.extend(b"\0" * max(0, context + 0x4D0 - len(record.bytes)))
        record.bytes[special:special + special_size] = registers.special(special_size)
        record.bytes[context:context + len(registers.context())] = registers.context()
        if record.has("Context"):
            record.set("Context", prcb + context)
        self.space.write(prcb, record.bytes)
        self.space.write_pointer(self.address("KiProcessorBlock") + number * pointer, prcb)
        self.processors.append(registers)

    # --- modules

    def modules(self, modules, place):
        """The list of loaded modules, this kernel first; entries and names are written from `place` on."""
        self.space.map(place, 0x10000)
        type_name = "_KLDR_DATA_TABLE_ENTRY" if self.table.has_type("_KLDR_DATA_TABLE_ENTRY") else "_LDR_DATA_TABLE_ENTRY"
        room = (self.table.size(type_name) + 0x1F) & -16
        links = []
        for module in modules:
            entry, place = place, place + room
            names = []
            for text in (module["path"], module["image"]):
                names.append(unicode_string(self.space, self.table, text, place))
                place += (2 * len(text) + 0x1F) & -16
            record = Record(self.table, type_name)
            record.set("DllBase", int(module["base"], 16)).set("SizeOfImage", module["size"])
            record.put("FullDllName", names[0]).put("BaseDllName", names[1])
            if type_name.startswith("_KLDR"):
                record.set_if("CheckSum", module["checksum"]).set_if("TimeDateStamp", module["timestamp"])
            self.space.write(entry, record.bytes)
            links.append(entry + self.table.offset(type_name, "InLoadOrderLinks"))
        self.set_list_head("PsLoadedModuleList", links)

    def driver(self, module):
        """An image of one page of headers and two of nothing."""
        base, name = int(module["base"], 16), module["image"].rsplit(".", 1)[0]
        self.space.map(base, module["size"], executable=True)
        debug = pe_image.debug_directory(0x800, pe_image.rsds(f"{self.random.getrandbits(128):032x}", 1, f"{name}.pdb"))
        self.space.write(base, pe_image.headers(IMAGE_MACHINE[self.pointer], base, module["size"], module["timestamp"], module["checksum"],
                                                [(".text", PAGE, module["size"] - PAGE, 0x60000020)], {6: (0x800, 56)}))
        self.space.write(base + 0x800, debug)

    # --- processes

    def processes(self, processes, place, stacks):
        """EPROCESS and one ETHREAD each. Returns the threads, each with its stack's first free byte."""
        table, pointer = self.table, self.pointer
        process_room = (table.size("_EPROCESS") + 0xFF) & -0x100
        thread_room = (table.size("_ETHREAD") + 0xFF) & -0x100
        self.space.map(place, len(processes) * (process_room + thread_room))
        links, threads = [], []
        for i, process in enumerate(processes):
            at = place + i * (process_room + thread_room)
            thread, stack = at + process_room, stacks + i * 0x8000
            self.space.map(stack, 0x6000)
            process["tables"] = self.space.tables if i == 0 else Tables(self.space.physical, self.space.mode, self.space.tables)
            process["address"], process["directory_base"] = hex(at), hex(process["tables"].cr3)
            record = Record(table, "_EPROCESS")
            record.set("Pcb.Header.Type", 3).set("Pcb.DirectoryTableBase", process["tables"].cr3)
            record.set("UniqueProcessId", process["id"]).set("InheritedFromUniqueProcessId", process["parent_id"])
            record.put("ImageFileName", process["name"].encode()[:15]).set_if("ActiveThreads", 1)
            record.set_if("CreateTime", 0x01DA000000000000 + i * 10000000)
            self.space.write(at, record.bytes)
            self._thread(at, thread, stack, process["id"], process["id"] + 4 * (i + 2))
            links.append(at + table.offset("_EPROCESS", "ActiveProcessLinks"))
            threads.append((thread, stack + 0x5F00))
        self.set_list_head("PsActiveProcessHead", links)
        self.set("PsInitialSystemProcess", place)
        return threads

    def _thread(self, process, thread, stack, pid, tid):
        table = self.table
        record = Record(table, "_ETHREAD")
        record.set("Tcb.Header.Type", 6).set("Tcb.InitialStack", stack + 0x6000).set("Tcb.StackLimit", stack).set("Tcb.KernelStack", stack + 0x5E00)
        record.set("Tcb.ApcState.Process", process).set("Tcb.State", 2).set("Cid.UniqueProcess", pid).set("Cid.UniqueThread", tid)
        for member, value in (("StackBase", stack + 0x6000), ("Process", process)):
            if table.has("_KTHREAD", member):
                record.set(f"Tcb.{member}", value)
        self.space.write(thread, record.bytes)
        self.set_list_head(process + table.offset("_EPROCESS", "ThreadListHead"), [thread + table.offset("_ETHREAD", "ThreadListEntry")])
        if table.has("_KTHREAD", "ThreadListEntry"):
            self.set_list_head(process + table.offset("_EPROCESS", "Pcb.ThreadListHead"), [thread + table.offset("_ETHREAD", "Tcb.ThreadListEntry")])
