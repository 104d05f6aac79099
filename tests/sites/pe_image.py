"""What of a PE file the tests of call sites need. Written apart from src/pe."""

import dataclasses
import struct


@dataclasses.dataclass
class Section:
    name: str
    rva: int
    data: bytes
    executable: bool


class PeImage:
    """Sections, imports, exports and the functions of .pdata; addresses are RVAs."""

    def __init__(self, path):
        self.bytes = path.read_bytes()
        header = self.number(0x3C, "I")
        assert self.bytes[header:header + 4] == b"PE\0\0", path
        sections, = struct.unpack_from("<H", self.bytes, header + 6)
        optional_size, = struct.unpack_from("<H", self.bytes, header + 20)
        optional = header + 24
        self.wide = self.number(optional, "H") == 0x20B
        self.base = self.number(optional + (24 if self.wide else 28), "Q" if self.wide else "I")
        self.entry = self.number(optional + 16, "I")
        self.directories = optional + (112 if self.wide else 96)
        self.sections = [self._section(optional + optional_size + 40 * index) for index in range(sections)]
        self.imports = dict(self._imports())
        self.exports = dict(self._exports())
        self.functions = sorted(self._functions()) if self.wide else []

    def number(self, offset, kind):
        return struct.unpack_from("<" + kind, self.bytes, offset)[0]

    def _section(self, offset):
        name = self.bytes[offset:offset + 8].rstrip(b"\0").decode("latin-1")
        size, rva, raw_size, raw = struct.unpack_from("<IIII", self.bytes, offset + 8)
        flags = self.number(offset + 36, "I")
        return Section(name, rva, self.bytes[raw:raw + min(size, raw_size)], bool(flags & 0x20000000))

    def read(self, rva, kind):
        for section in self.sections:
            if section.rva <= rva < section.rva + len(section.data):
                return struct.unpack_from("<" + kind, section.data, rva - section.rva)[0]
        raise ValueError(f"{rva:x} is in no section")

    def text(self, rva):
        end = rva
        while self.read(end, "B"):
            end += 1
        return bytes(self.read(at, "B") for at in range(rva, end)).decode("latin-1")

    def directory(self, index):
        return struct.unpack_from("<II", self.bytes, self.directories + 8 * index)

    def _imports(self):
        """Slot to name; by ordinal to "dll#12"."""
        at, _ = self.directory(1)
        pointer, ordinal = ("Q", 1 << 63) if self.wide else ("I", 1 << 31)
        while at and self.read(at + 12, "I"):
            names, dll, slots = self.read(at, "I"), self.read(at + 12, "I"), self.read(at + 16, "I")
            step = struct.calcsize(pointer)
            index = 0
            while entry := self.read((names or slots) + index * step, pointer):
                yield slots + index * step, f"{self.text(dll)}#{entry & 0xFFFF}" if entry & ordinal else self.text(entry + 2)
                index += 1
            at += 20

    def _exports(self):
        at, _ = self.directory(0)
        if not at:
            return
        count, functions, names, ordinals = (self.read(at + offset, "I") for offset in (24, 28, 32, 36))
        for index in range(count):
            ordinal = self.read(ordinals + 2 * index, "H")
            yield self.text(self.read(names + 4 * index, "I")), self.read(functions + 4 * ordinal, "I")

    def _functions(self):
        """Begin and end of each piece of code that .pdata lists."""
        at, size = self.directory(3)
        for entry in range(at, at + size, 12):
            begin = self.read(entry, "I")
            if begin:
                yield begin, self.read(entry + 4, "I"), self.read(entry + 8, "I")

    def chained_to(self, unwind):
        """The function that an unwind record is a later piece of; None when it stands for itself."""
        if not self.read(unwind, "B") >> 3 & 4:
            return None
        codes = self.read(unwind + 2, "B")
        return self.read(unwind + 4 + 2 * (codes + codes % 2), "I")
