"""Reads complete crash dumps of Windows: header, runs or bitmap, pages. Written from the layouts of the public header
mindumpdef.h; it shares nothing with the debugger."""

import struct

PAGE = 0x1000
ABSENT = {1: 0x50, 4: 0x45474150, 8: 0x4547415045474150}  # what a writer leaves in fields that it does not fill

# name: (offset and size in the 64-bit header, offset and size in the 32-bit header)
FIELDS = {
    "major": ((0x08, 4), (0x08, 4)), "build": ((0x0C, 4), (0x0C, 4)), "directory_table_base": ((0x10, 8), (0x10, 4)),
    "pfn_database": ((0x18, 8), (0x14, 4)), "loaded_modules": ((0x20, 8), (0x18, 4)), "processes": ((0x28, 8), (0x1C, 4)),
    "machine": ((0x30, 4), (0x20, 4)), "processors": ((0x34, 4), (0x24, 4)), "bug_check": ((0x38, 4), (0x28, 4)),
    "debugger_data": ((0x80, 8), (0x60, 4)), "exception_code": ((0xF00, 4), (0x7D0, 4)), "type": ((0xF98, 4), (0xF88, 4)),
    "required_space": ((0xFA0, 8), (0xFA0, 8)), "system_time": ((0xFA8, 8), (0xFC0, 8)), "up_time": ((0x1030, 8), (0xFB8, 8)),
    "product_type": ((0x1040, 4), (0xF94, 4)), "writer_status": ((0x1048, 4), (0xF9C, 4)),
}
FULL, BITMAP_FULL = 1, 5


class CrashDump:
    def __init__(self, path):
        self.file = open(path, "rb")
        head = self.file.read(0x2000)
        if head[:4] != b"PAGE" or head[4:8] not in (b"DUMP", b"DU64"):
            raise ValueError(f"{path} does not begin as a crash dump")
        self.is_64 = head[4:8] == b"DU64"
        self.header = head if self.is_64 else head[:0x1000]
        self.pointer = 8 if self.is_64 else 4
        self.pae = None if self.is_64 else self.header[0x5C]
        self.comment = self.header[0xFB0 if self.is_64 else 0x820:][:128].split(b"\0")[0].decode()
        if self["type"] == FULL:
            self.runs, self.first_page = self.header_runs(), len(self.header)
        elif self["type"] == BITMAP_FULL:
            self.runs, self.first_page = self.bitmap_runs()
        else:
            raise ValueError(f"{path}: type {self['type']}")

    def __getitem__(self, name):
        offset, size = FIELDS[name][0 if self.is_64 else 1]
        value = int.from_bytes(self.header[offset:offset + size], "little")
        return None if value == ABSENT[size] else value

    def context(self):
        """ip and sp of the register record."""
        at = 0x348 if self.is_64 else 0x320
        places = (at + 0xF8, at + 0x98) if self.is_64 else (at + 0xB8, at + 0xC4)
        return tuple(int.from_bytes(self.header[p:p + self.pointer], "little") for p in places)

    def processor_contexts(self):
        """ip and sp of each processor, from the kernel's own records: KiProcessorBlock of the debugger data block, and the
        CONTEXT that KPRCB.Context leads to."""
        block = self["debugger_data"]
        if self.read(block + 0x10, 4) != b"KDBG":
            raise ValueError("the debugger data block is not there")
        array = self.number(block + 0x218, self.pointer)
        to_context = self.number(block + 0x338, 2)
        rip, rsp, flags = (0xF8, 0x98, 0x30) if self.is_64 else (0xB8, 0xC4, 0)
        found = []
        for i in range(self["processors"]):
            prcb = self.number(array + i * self.pointer, self.pointer)
            context = self.number(prcb + to_context, self.pointer)
            if not self.number(context + flags, 4):
                raise ValueError(f"processor {i} has no record")
            found.append((self.number(context + rip, self.pointer), self.number(context + rsp, self.pointer)))
        return found

    def number(self, address, size):
        return int.from_bytes(self.read(address, size), "little")

    def read(self, address, size):
        """Virtual memory, through the page tables that the header names."""
        data = b""
        while len(data) < size:
            at = address + len(data)
            room = PAGE - at % PAGE
            data += self.read_physical(self.translate(at), min(room, size - len(data)))
        return data

    def translate(self, address):
        if self.is_64:
            table, shifts, width = self["directory_table_base"], (39, 30, 21, 12), 8
        elif self.pae:
            table, shifts, width = self["directory_table_base"], (30, 21, 12), 8
        else:
            table, shifts, width = self["directory_table_base"], (22, 12), 4
        bits = 9 if width == 8 else 10
        for shift in shifts:
            at = table + (address >> shift & (1 << bits) - 1) % (4 if shift == 30 and self.pae else 1 << bits) * width
            entry = int.from_bytes(self.read_physical(at, width), "little")
            if not entry & 1:
                raise ValueError(f"{address:#x} is not mapped")
            table = entry & 0xFFFFFFFFFF000
            if shift != 12 and entry & 0x80 and not (shift == 30 and self.pae):
                return table & ~((1 << shift) - 1) | address & (1 << shift) - 1
        return table | address & PAGE - 1

    def read_physical(self, address, size):
        place = self.first_page
        for first, count in self.runs:
            if first <= address // PAGE < first + count:
                self.file.seek(place + address - first * PAGE)
                return self.file.read(size)
            place += count * PAGE
        raise ValueError(f"{address:#x} of physical memory is not in the file")

    def header_runs(self):
        at, form = (0x88, "<I4xQ") if self.is_64 else (0x64, "<II")
        count, pages = struct.unpack_from(form, self.header, at)
        if count > (42 if self.is_64 else 86):
            raise ValueError(f"{count} runs do not fit the header")
        at += struct.calcsize(form)
        runs = [struct.unpack_from("<QQ" if self.is_64 else "<II", self.header, at + i * 2 * self.pointer) for i in range(count)]
        if sum(n for _, n in runs) != pages:
            raise ValueError("the runs do not have as many pages as are stated")
        return runs

    def bitmap_runs(self):
        at = len(self.header)
        self.file.seek(at)
        signature, first_page, pages, bits = struct.unpack("<8s24xQQQ", self.file.read(0x38))
        if signature != b"FDMPDUMP" or first_page % PAGE or at + 0x38 + (bits + 7) // 8 > first_page:
            raise ValueError("the bitmap's header is damaged")
        bitmap = self.file.read((bits + 7) // 8)
        runs = []
        for page in range(bits):
            if bitmap[page // 8] >> page % 8 & 1:
                if runs and sum(runs[-1]) == page:
                    runs[-1] = (runs[-1][0], runs[-1][1] + 1)
                else:
                    runs.append((page, 1))
        if sum(n for _, n in runs) != pages:
            raise ValueError("the bitmap does not have as many pages as are stated")
        return runs, first_page

    def pieces(self):
        """(physical address, bytes) of each run, in order; the file must end with the last."""
        self.file.seek(self.first_page)
        last = 0
        for first, count in self.runs:
            if first < last or count == 0:
                raise ValueError("the runs are not in order")
            last = first + count
            data = self.file.read(count * PAGE)
            if len(data) != count * PAGE:
                raise ValueError("the file ends early")
            yield first * PAGE, data
        if self.file.read(1):
            raise ValueError("there is more in the file than the runs have")

    def close(self):
        self.file.close()
