"""PE images as they lie in memory: headers, a record of their symbols (RSDS), and what they export. Format: Microsoft's PE
specification."""

import struct
import uuid

PAGE = 0x1000
EXECUTE, READ, WRITE, CODE, DATA = 0x20000000, 0x40000000, 0x80000000, 0x20, 0x40


def rsds(guid, age, name):
    return b"RSDS" + uuid.UUID(guid).bytes_le + struct.pack("<I", age) + name.encode() + b"\0"


def debug_directory(rva, record):
    """Two entries: of a repeatable build (type 16), which tells nothing, and the identity of the PDB. With the record behind."""
    size = 28
    entries = struct.pack("<IIHHIIII", 0, 0, 0, 0, 16, 0, 0, 0) + struct.pack("<IIHHIIII", 0, 0, 0, 0, 2, len(record), rva + 2 * size, 0)
    return entries + record


def export_directory(rva, image_name, exports):
    """`exports`: names and the RVAs they stand for."""
    names = sorted(exports)
    header, count = 40, len(names)
    functions, pointers, ordinals = rva + header, rva + header + 4 * count, rva + header + 8 * count
    strings, texts = rva + header + 10 * count, b""
    places = []
    for name in [image_name, *names]:
        places.append(strings + len(texts))
        texts += name.encode() + b"\0"
    data = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, places[0], 1, count, count, functions, pointers, ordinals)
    data += b"".join(struct.pack("<I", exports[name]) for name in names)
    data += b"".join(struct.pack("<I", place) for place in places[1:])
    return data + struct.pack(f"<{count}H", *range(count)) + texts


def headers(machine, base, size, timestamp, checksum, sections, directories):
    """DOS stub, NT headers and section table. `sections`: (name, rva, bytes, flags); `directories`: number to (rva, bytes)."""
    is_64 = machine == 0x8664
    lfanew = 0xF8
    optional = struct.pack("<HBBIIIII", 0x20B if is_64 else 0x10B, 14, 0, 0, 0, 0, sections[0][1], sections[0][1])
    optional += struct.pack("<Q", base) if is_64 else struct.pack("<II", 0, base & 0xFFFFFFFF)
    optional += struct.pack("<IIHHHHHHIIIIHH", PAGE, 0x200, 10, 0, 10, 0, 10, 0, 0, size, PAGE, checksum, 1, 0)
    optional += struct.pack("<QQQQII" if is_64 else "<IIIIII", 0x80000, 0x2000, 0x100000, 0x1000, 0, 16)
    for number in range(16):
        optional += struct.pack("<II", *directories.get(number, (0, 0)))
    data = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", lfanew)
    data = data.ljust(lfanew, b"\0") + b"PE\0\0"
    data += struct.pack("<HHIIIHH", machine, len(sections), timestamp, 0, 0, len(optional), 0x22 if is_64 else 0x102)
    data += optional
    for name, rva, bytes_, flags in sections:
        data += struct.pack("<8sIIIIIIHHI", name.encode(), bytes_, rva, bytes_, rva, 0, 0, 0, 0, flags)
    assert len(data) <= PAGE
    return data
