"""Files that hold a machine's memory, by what other programs write: Microsoft's crash dumps (mindumpdef.h), QEMU's ELF cores,
LiME, and memory as it is."""

import struct

from physical import PAGE

FULL, BITMAP_FULL = 1, 5
FILETIME_2024 = 0x01DA3D0000000000


class ContainerError(Exception):
    """A file that no container is named after."""


def write(path, machine, bitmap=False):
    writer = {".dmp": bitmap_dump if bitmap else full_dump, ".elf": elf_core, ".core": elf_core, ".lime": lime, ".raw": raw}.get(path.suffix)
    if writer is None:
        raise ContainerError(f"{path}: the container goes by the extension: .dmp, .elf, .lime, .raw")
    with open(path, "wb") as file:
        writer(file, machine)


def _pages(physical):
    return [(start // PAGE, size // PAGE) for start, size in physical.runs]


def _dump_header(machine, dump_type, pages):
    is_64 = machine.kernel.pointer == 8
    size, pointer = (0x2000, "Q") if is_64 else (0x1000, "I")
    header = bytearray(b"PAGE" * (size // 4))
    mask = (1 << 8 * machine.kernel.pointer) - 1

    def put(at, format_, *values):
        struct.pack_into("<" + format_, header, at, *(value & mask for value in values))
    kernel, cr3 = machine.kernel, machine.cr3
    header[4:8] = b"DU64" if is_64 else b"DUMP"
    put(8, "II", 0xF, kernel.build)
    pointers = (cr3, 0, kernel.address("PsLoadedModuleList"), kernel.address("PsActiveProcessHead"))
    put(0x10, "4" + pointer, *pointers)
    put(0x30 if is_64 else 0x20, "III", 0x8664 if is_64 else 0x14C, len(kernel.processors), 0xE2)
    put(0x40 if is_64 else 0x2C, "4" + pointer, 0, 0, 0, 0)
    put(0x80 if is_64 else 0x60, pointer, machine.debugger_data)
    if not is_64:
        header[0x5C] = machine.space.mode.name == "PAE"
    runs = _pages(machine.space.physical)
    if is_64:
        struct.pack_into("<IIQ", header, 0x88, len(runs), 0, pages)
    else:
        struct.pack_into("<II", header, 0x64, len(runs), pages)
    at = 0x98 if is_64 else 0x6C
    for first, count in runs:
        struct.pack_into("<2" + pointer, header, at, first, count)
        at += 2 * struct.calcsize("<" + pointer)
    context = kernel.processors[0].context()
    at = 0x348 if is_64 else 0x320
    header[at:at + len(context)] = context
    for at, format_, value in ((0xF98 if is_64 else 0xF88, "I", dump_type), (0xFA0, "Q", pages * PAGE + size),
                               (0xFA8 if is_64 else 0xFC0, "Q", FILETIME_2024), (0x1030 if is_64 else 0xFB8, "Q", 36000000000),
                               (0x1040 if is_64 else 0xF94, "I", 1), (0x1044 if is_64 else 0xF98, "I", 0x110)):
        struct.pack_into("<" + format_, header, at, value)
    return header


def full_dump(file, machine):
    physical = machine.space.physical
    pages = sum(count for _, count in _pages(physical))
    header = _dump_header(machine, FULL, pages)
    file.write(header)
    offset = len(header)
    for start, size in physical.runs:
        physical.fill(file, offset, start, size)
        offset += size
    file.truncate(offset)


def bitmap_dump(file, machine):
    """Only the pages that hold something; the others are not captured. The number of bits is no multiple of 8."""
    physical = machine.space.physical
    written = sorted(physical.pages)
    header = _dump_header(machine, BITMAP_FULL, len(written))
    bits = max(start + size for start, size in physical.runs) // PAGE
    bitmap = bytearray((bits + 7) // 8)
    for page in written:
        bitmap[page // PAGE // 8] |= 1 << page // PAGE % 8
    at = len(header)
    first = (at + 0x38 + len(bitmap) + PAGE - 1) & -PAGE
    file.write(header)
    file.write(b"FDMPDUMP" + b"\0" * 0x18 + struct.pack("<QQQ", first, len(written), bits) + bitmap)
    file.write(b"\0" * (first - at - 0x38 - len(bitmap)))
    for page in written:
        file.write(physical.pages[page])


def elf_core(file, machine):
    """As dump-guest-memory writes it; of a 32-bit machine in class 32 where its memory ends below 4 GiB."""
    physical, kernel = machine.space.physical, machine.kernel
    is_64 = kernel.pointer == 8
    notes = b"".join(_note(b"CORE", 1, registers.prstatus()) for registers in kernel.processors)
    notes += b"".join(_note(b"QEMU", 0, registers.qemu_note()) for registers in kernel.processors)
    ident = b"\x7fELF" + bytes((2 if is_64 else 1, 1, 1)) + b"\0" * 9
    count, head, entry = len(physical.runs) + 1, 64 if is_64 else 52, 56 if is_64 else 32
    offset = (head + count * entry + len(notes) + PAGE - 1) & -PAGE
    file.write(ident + (struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, head, 0, 0, head, entry, count, 0, 0, 0) if is_64 else
                        struct.pack("<HHIIIIIHHHHHH", 4, 3, 1, 0, head, 0, 0, head, entry, count, 0, 0, 0)))

    def program_header(kind, at, address, size):
        file.write(struct.pack("<IIQQQQQQ", kind, 0, at, 0, address, size, size, 0) if is_64 else
                   struct.pack("<IIIIIIII", kind, at, 0, address, size, size, 0, 0))
    program_header(4, head + count * entry, 0, len(notes))
    places, at = [], offset
    for start, size in physical.runs:
        program_header(1, at, start, size)
        places.append((at, start, size))
        at += size
    file.write(notes)
    for place in places:
        physical.fill(file, *place)
    file.truncate(at)


def _note(name, kind, payload):
    name += b"\0"
    return struct.pack("<III", len(name), len(payload), kind) + name.ljust(-(-len(name) // 4) * 4, b"\0") + payload.ljust(-(-len(payload) // 4) * 4, b"\0")


def lime(file, machine):
    physical, offset = machine.space.physical, 0
    for start, size in physical.runs:
        file.seek(offset)
        file.write(struct.pack("<IIQQQ", 0x4C694D45, 1, start, start + size - 1, 0))
        physical.fill(file, offset + 32, start, size)
        offset += 32 + size
    file.truncate(offset)


def raw(file, machine):
    """A byte for each address; nothing tells where memory is and where devices are."""
    physical = machine.space.physical
    end = max(start + size for start, size in physical.runs)
    physical.fill(file, 0, 0, end)
    file.truncate(end)
