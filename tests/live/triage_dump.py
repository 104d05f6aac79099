"""Writes a triage dump (small memory dump) of a practice machine in a bug check from its raw memory, as the kernel of
Windows would: header, registers, call stack, processor block, drivers, unloaded drivers, KDBG. Layout: mindumpdef.h of
the Windows SDK. Uses nothing of poolkd's."""

import struct

HEADER, CONTEXT_BYTES = 0x2000, 0x4D0
DRIVER_BYTES = 0x90
ALL_PARTS, NO_DATA_PAGE = 0xFFF, 0x200


class Layout:
    """Parts that follow the header, each at a page of its own."""

    def __init__(self):
        self.data = bytearray(HEADER + 0x1000)

    def put(self, offset, form, *values):
        struct.pack_into("<" + form, self.data, offset, *values)

    def add(self, part):
        """The part's offset in the file."""
        offset = len(self.data)
        self.data += part + bytes(-len(part) % 0x1000)
        return offset


def unicode_string(memory, address):
    length, buffer = struct.unpack("<H6xQ", memory.read(address, 16))
    return memory.read(buffer, length).decode("utf-16-le") if length else ""


def drivers(memory, pdb, base):
    """[(name, base, size, check sum, time stamp, entry point)] in the order of the kernel's list."""
    fields, _ = pdb.struct("_KLDR_DATA_TABLE_ENTRY")
    at = {name: place[0] for name, place in fields.items()}
    head = base + pdb.rva("PsLoadedModuleList")
    found, link = [], memory.pointer(head)
    while link != head:
        entry = link - at["InLoadOrderLinks"]
        size, = struct.unpack("<I", memory.read(entry + at["SizeOfImage"], 4))
        image = memory.pointer(entry + at["DllBase"])
        pe = image + struct.unpack("<I", memory.read(image + 0x3C, 4))[0]
        stamp, = struct.unpack("<I", memory.read(pe + 8, 4))
        start, = struct.unpack("<I", memory.read(pe + 0x28, 4))
        checksum, = struct.unpack("<I", memory.read(pe + 0x58, 4))
        found.append((unicode_string(memory, entry + at["BaseDllName"]), image, size, checksum, stamp, image + start))
        link = memory.pointer(link)
    return found


def readable(memory, start, end):
    """[(address, bytes)] of the pages that are there."""
    return [(page, memory.read(page, 0x1000)) for page, _ in memory.mapped(start, end)]


def write(path, memory, pdb, base, pool_bytes, gone=(), with_images=()):
    """`pool_bytes`: of nonpaged and paged pool in use. `gone`: (name, start, end) of unloaded drivers. `with_images`: names
    of drivers whose image goes into the dump as data blocks, as components may ask for."""
    dump = Layout()
    context = memory.read(base + pdb.rva("KiBugcheckContext"), CONTEXT_BYTES)
    rsp, = struct.unpack_from("<Q", context, 0x98)
    code, *parameters = struct.unpack("<5Q", memory.read(base + pdb.rva("KiBugcheckData"), 40))
    kdbg = base + pdb.rva("KdDebuggerDataBlock")
    kdbg_bytes, = struct.unpack("<I", memory.read(kdbg + 0x14, 4))
    processor = memory.pointer(base + pdb.rva("KiProcessorBlock"))

    dump.data[:8] = b"PAGEDU64"
    for offset in range(8, HEADER, 4):
        dump.data[offset:offset + 4] = b"PAGE"
    dump.put(0x08, "II", 0xF, 19041)
    dump.put(0x10, "QQQQ", memory.root, 0, base + pdb.rva("PsLoadedModuleList"), 0)
    dump.put(0x30, "III", 0x8664, 1, code & 0xFFFFFFFF)
    dump.put(0x40, "4Q", *parameters)
    dump.put(0x80, "Q", kdbg)
    dump.data[0x348:0x348 + CONTEXT_BYTES] = context
    dump.put(0xF00, "I", 0)
    dump.data[0xFB0:0xFB1] = b"\0"
    dump.put(0xF98, "I", 4)
    dump.put(0x1038, "I", ALL_PARTS & ~NO_DATA_PAGE)

    def field(offset, value):
        dump.put(HEADER + offset, "I", value)

    totals = bytearray(0x1000)
    struct.pack_into("<7Q", totals, 0x18, pool_bytes[0] * 2, pool_bytes[0], pool_bytes[1] * 2, pool_bytes[1], 4000, 5000, 16000)
    field(0x14, dump.add(bytes(totals)))
    unloaded = struct.pack("<Q", len(gone))
    for name, start, end in gone:
        text = name[:12].encode("utf-16-le")
        unloaded += struct.pack("<HH4xQ24sQQ", len(text), len(text), 0, text.ljust(24, b"\0"), start, end)
    field(0x18, dump.add(unloaded))
    field(0x1C, dump.add(memory.read(processor, 0x400)))
    stack_pages = readable(memory, rsp & ~0xFFF, (rsp & ~0xFFF) + 0x4000)
    stack = b""
    for page, content in stack_pages:
        if page != (rsp & ~0xFFF) + len(stack):
            break
        stack += content
    stack = stack[rsp & 0xFFF:]
    field(0x28, dump.add(stack))
    field(0x2C, len(stack))
    dump.put(HEADER + 0x48, "Q", rsp)

    strings, records = bytearray(), b""
    listed = drivers(memory, pdb, base)
    pool = len(dump.data)  # the string pool is the next part
    for name, image, size, checksum, stamp, start in listed:
        record = bytearray(DRIVER_BYTES)
        struct.pack_into("<I", record, 0, pool + len(strings))
        struct.pack_into("<QQI", record, 8 + 0x30, image, start, size)
        struct.pack_into("<I", record, 8 + 0x78, checksum)
        struct.pack_into("<I", record, 8 + 0x80, stamp)
        records += record
        text = name.encode("utf-16-le")
        strings += struct.pack("<I", len(text)) + text + b"\0\0"
        strings += bytes(-len(strings) % 8)
    assert dump.add(bytes(strings)) == pool
    field(0x38, pool)
    field(0x3C, len(strings))
    field(0x30, dump.add(records))
    field(0x34, len(listed))
    field(0x70, dump.add(memory.read(kdbg, kdbg_bytes)))
    field(0x74, kdbg_bytes)

    blocks = b""
    for name, image, size, *_ in listed:
        if name not in with_images:
            continue
        for page, content in readable(memory, image, image + size):
            blocks += struct.pack("<QII", page, dump.add(content), 0x1000)
    field(0x78, dump.add(blocks))
    field(0x7C, len(blocks) // 16)
    path.write_bytes(dump.data)
    return listed
