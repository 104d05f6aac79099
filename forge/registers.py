"""Registers of a processor that stands in the kernel, in the records that hold them: CONTEXT, KSPECIAL_REGISTERS (public
headers) and the notes of QEMU's cores (target/i386/arch_dump.c)."""

import dataclasses
import struct


@dataclasses.dataclass
class Registers:
    pointer: int
    ip: int
    sp: int
    cr3: int
    cr4: int
    idt: int
    gdt: int
    pcr: int  # where GS (x64) or FS (x86) begins

    @property
    def cs(self):
        return 0x10 if self.pointer == 8 else 0x08

    def context(self):
        def put(offset, format_, value):
            struct.pack_into("<" + format_, data, offset, value)
        if self.pointer == 8:
            data = bytearray(0x4D0)
            put(0x30, "I", 0x10001F)
            for at in (0x34, 0x118):  # both copies of MXCSR
                put(at, "I", 0x1F80)
            for at, value in ((0x38, 0x10), (0x3A, 0x2B), (0x3C, 0x2B), (0x3E, 0x53), (0x40, 0x2B), (0x42, 0x18)):
                put(at, "H", value)
            put(0x44, "I", 0x246)
            put(0x98, "Q", self.sp)
            put(0xA0, "Q", self.sp + 0x40)
            put(0xF8, "Q", self.ip)
            return bytes(data)
        data = bytearray(0x2CC)
        put(0, "I", 0x1003F)
        for at, value in ((0x8C, 0), (0x90, 0x30), (0x94, 0x23), (0x98, 0x23), (0xB4, self.sp + 0x40), (0xB8, self.ip), (0xBC, 8),
                          (0xC0, 0x246), (0xC4, self.sp), (0xC8, 0x10)):
            put(at, "I", value & 0xFFFFFFFF)
        return bytes(data)

    def special(self, size):
        data = bytearray(size)
        if self.pointer == 8:
            struct.pack_into("<QQQQ", data, 0, 0x80050031, 0, self.cr3, self.cr4)
            struct.pack_into("<HQ", data, 0x56, 0x7F, self.gdt)
            struct.pack_into("<HQ", data, 0x66, 0xFFF, self.idt)
            struct.pack_into("<H", data, 0x70, 0x40)
        else:
            struct.pack_into("<IIII", data, 0, 0x8001003B, 0, self.cr3, self.cr4)
            struct.pack_into("<HI", data, 0x2A, 0x3FF, self.gdt & 0xFFFFFFFF)
            struct.pack_into("<HI", data, 0x32, 0x7FF, self.idt & 0xFFFFFFFF)
            struct.pack_into("<H", data, 0x38, 0x28)
        return bytes(data)

    def qemu_note(self):
        data = bytearray(0x1B8)
        mask = (1 << 8 * self.pointer) - 1
        struct.pack_into("<II", data, 0, 1, len(data))
        struct.pack_into("<QQ", data, 0x38, self.sp & mask, self.sp + 0x40 & mask)
        struct.pack_into("<QQ", data, 0x88, self.ip & mask, 0x246)
        is_64 = self.pointer == 8
        for at, selector, base in ((0x98, self.cs, 0), (0xB0, 0x2B if is_64 else 0x23, 0), (0xC8, 0x2B if is_64 else 0x23, 0),
                                   (0xE0, 0x53 if is_64 else 0x30, 0 if is_64 else self.pcr), (0xF8, 0x2B if is_64 else 0, self.pcr if is_64 else 0),
                                   (0x110, 0x18 if is_64 else 0x10, 0), (0x168 - 0x10, 0, 0)):
            struct.pack_into("<IIIIQ", data, at, selector, 0xFFFFF, 0xC09300, 0, base & mask)
        struct.pack_into("<IIIIQ", data, 0x158, 0, 0x7F if is_64 else 0x3FF, 0, 0, self.gdt & mask)
        struct.pack_into("<IIIIQ", data, 0x170, 0, 0xFFF if is_64 else 0x7FF, 0, 0, self.idt & mask)
        struct.pack_into("<QQQQQ", data, 0x188, 0x80050031, 0, 0, self.cr3, self.cr4)
        return bytes(data)

    def prstatus(self):
        """NT_PRSTATUS, as far as readers use it."""
        if self.pointer == 8:
            data = bytearray(336)
            struct.pack_into("<QQQQ", data, 0x70 + 16 * 8, self.ip, self.cs, 0x246, self.sp)
        else:
            data = bytearray(144)
            struct.pack_into("<IIII", data, 0x48 + 12 * 4, self.ip & 0xFFFFFFFF, self.cs, 0x246, self.sp & 0xFFFFFFFF)
        return bytes(data)
