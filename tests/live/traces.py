"""What a debugger may have left in a machine, seen through QEMU: code that differs from its image, armed debug registers,
a processor that stands still."""

import pathlib
import re
import struct
import time

from lab import with_stub

EXECUTED, WRITTEN, DISCARDED = 0x20000000, 0x80000000, 0x02000000  # section flags
TICKS = {"x64": 0xFFFFF78000000320, "x86": 0xFFDF0320}  # KUSER_SHARED_DATA.TickCount


def traces(machine, modules, tag_to_hit):
    """A sentence for each trace. `modules`: (name, base, file name); `tag_to_hit`: the address of PoolHitTag."""
    found = []
    with_stub(machine, lambda gdb: found.extend(_patches(gdb, machine, modules, tag_to_hit)))
    with_stub(machine, lambda gdb: found.extend(_armed(gdb)))
    if not _runs(machine):
        found.append("the target does not run")
    return found


def _patches(gdb, machine, modules, tag_to_hit):
    if any(gdb.memory(tag_to_hit, 4)):
        yield "PoolHitTag is set"
    compared = missing = 0
    for name, base, file in modules:
        for start, expected in constant_bytes((pathlib.Path(machine["images"]) / file).read_bytes(), base):
            for at in range(0, len(expected), 0x400):
                part = expected[at:at + 0x400]
                try:
                    now = gdb.memory(start + at, len(part))
                except OSError:
                    missing += 1
                    continue
                compared += 1
                if now != part:
                    first = next(i for i in range(len(part)) if now[i] != part[i])
                    yield f"{name} is changed at {start + at + first:x}: {now[first:first + 8].hex()}, not {part[first:first + 8].hex()}"
    if compared < 20 or missing > compared:
        yield f"only {compared} pieces of code could be compared, {missing} are not in memory"


def _armed(gdb):
    controls = re.findall(r"DR7=([0-9a-f]+)", gdb.monitor("info registers -a"))
    if not controls:
        yield "QEMU does not tell the debug registers"
    for processor, control in enumerate(controls):
        if int(control, 16) & 0xFF:
            yield f"processor {processor} has armed breakpoints, DR7 is {control}"


def _runs(machine, limit=60):
    ticks = lambda: with_stub(machine, lambda gdb: struct.unpack("<I", gdb.memory(TICKS[machine["arch"]], 4))[0])
    before, end = ticks(), time.monotonic() + limit
    while time.monotonic() < end:
        time.sleep(0.1)
        if ticks() != before:
            return True
    return False


def constant_bytes(data, base):
    """(address, bytes) of the code of an image that lies at `base`: sections that are executed, not written, and kept."""
    pe = struct.unpack_from("<I", data, 0x3C)[0]
    sections, optional = struct.unpack_from("<H12xH", data, pe + 6)
    wide = struct.unpack_from("<H", data, pe + 24)[0] == 0x20B
    preferred = struct.unpack_from("<Q" if wide else "<I", data, pe + 24 + (24 if wide else 28))[0]
    at, size = struct.unpack_from("<II", data, pe + 24 + (112 if wide else 96) + 5 * 8)
    table = [struct.unpack_from("<8sIIIIIIHHI", data, pe + 24 + optional + 40 * i) for i in range(sections)]
    image = bytearray(max(s[2] + max(s[1], s[3]) for s in table))
    for _, _, start, raw_size, raw, *_ in table:
        image[start:start + raw_size] = data[raw:raw + raw_size]
    _relocate(image, at, at + size, base - preferred)
    for _, size, start, raw_size, *_, flags in table:
        if flags & (EXECUTED | WRITTEN | DISCARDED) == EXECUTED:
            yield base + start, bytes(image[start:start + min(size, raw_size)])


def _relocate(image, at, end, slide):
    while at + 8 <= end:
        page, size = struct.unpack_from("<II", image, at)
        for (entry,) in struct.iter_unpack("<H", image[at + 8:at + size]):
            place, kind = page + (entry & 0xFFF), entry >> 12
            if kind in (3, 10):  # 32 bits, 64 bits
                form, mask = ("<I", 0xFFFFFFFF) if kind == 3 else ("<Q", (1 << 64) - 1)
                struct.pack_into(form, image, place, struct.unpack_from(form, image, place)[0] + slide & mask)
        at += size
