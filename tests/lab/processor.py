"""What the tests of the practice machine must know of its processors: where the protocol has things, and sizes.

`processor_of(OUT)` tells which of the two a folder of lab/build is for.
"""

import struct


class Processor:
    name: str
    emulator: list         # QEMU and its processor
    machine: int           # of images and of the version block
    pointer: int           # bytes of an address
    exports: int           # offset of the first data directory from the PE header
    context_size: int
    context_pc: int        # offsets in CONTEXT
    context_sp: int
    context_registers: list  # names and offsets
    special_space: int     # where ReadControlSpace has KSPECIAL_REGISTERS
    special_size: int
    special_dr0: int       # offsets in KSPECIAL_REGISTERS
    special_cr3: int
    stream: int            # offsets in a state change: instruction bytes, count of them, flags
    stream_count: int
    code_selector: int
    shared_data: int       # KUSER_SHARED_DATA

    def unpack(self, data, offset=0):
        """An address in the kernel's memory."""
        return int.from_bytes(data[offset:offset + self.pointer], "little")

    def narrow(self, address):
        """An address of the protocol, which has 64 bits on every machine, as the kernel has it."""
        return address & ((1 << 8 * self.pointer) - 1)

    def wide(self, address):
        """An address as the protocol has it: sign-extended."""
        sign = 1 << (8 * self.pointer - 1)
        return ((address ^ sign) - sign) & (2**64 - 1)


class X64(Processor):
    emulator = ["qemu-system-x86_64", "-cpu", "qemu64"]
    name, machine, pointer, exports = "x64", 0x8664, 8, 24 + 112
    context_size, context_pc, context_sp = 0x4D0, 0xF8, 0x98
    context_registers = [(name, 0x78 + 8 * i) for i, name in enumerate(
        ["Rax", "Rcx", "Rdx", "Rbx", "Rsp", "Rbp", "Rsi", "Rdi"] + [f"R{n}" for n in range(8, 16)] + ["Rip"])]
    special_space, special_size, special_dr0, special_cr3 = 2, 0xF0, 0x20, 0x10
    stream, stream_count, code_selector = 216, 212, 0x10
    shared_data = 0xFFFFF78000000000

    def control_set(self, trace, dr7):
        return struct.pack("<IQQQ", trace, dr7, 1, 0)


class X86(Processor):
    emulator = ["qemu-system-i386", "-cpu", "qemu32,+nx"]
    name, machine, pointer, exports = "x86", 0x14C, 4, 24 + 96
    context_size, context_pc, context_sp = 0x2CC, 0xB8, 0xC4
    context_registers = [("Edi", 0x9C), ("Esi", 0xA0), ("Ebx", 0xA4), ("Edx", 0xA8), ("Ecx", 0xAC), ("Eax", 0xB0),
                         ("Ebp", 0xB4), ("Eip", 0xB8), ("Esp", 0xC4)]
    special_space, special_size, special_dr0, special_cr3 = 0x2CC, 0x54, 0x10, 0x08
    stream, stream_count, code_selector = 204, 200, 0x08
    shared_data = 0xFFDF0000

    def control_set(self, trace, dr7):
        return struct.pack("<IIII", trace, dr7, 1, 0)


def processor_of(out):
    data = (out / "ntoskrnl.exe").read_bytes()
    pe, = struct.unpack_from("<I", data, 0x3C)
    machine, = struct.unpack_from("<H", data, pe + 4)
    return next(kind() for kind in (X64, X86) if kind.machine == machine)
