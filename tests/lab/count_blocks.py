#!/usr/bin/env python3
"""Counts the live pool blocks of a tag in the practice kernel's memory, with nothing of poolkd's.

    count_blocks.py RAM NTKRNLMP.PDB TAG... [--cr3 ADDRESS] [--tracker]

RAM is the file behind the machine's memory (QEMU: -object memory-backend-file,mem-path=RAM,share=on). The page tables are
walked from CR3 (found by its self map when not given), the kernel is found by the name of its PDB, and every page of both
pools is parsed by the headers in it. Field offsets come from the PDB through llvm-pdbutil. Stop the machine first.
Prints a line for each tag and pool: tag, pool, blocks, bytes; the bytes are those that the tag counters count. With
--tracker the line goes on with what the counters say: live blocks and bytes, summed over all tables.
"""
import argparse
import mmap
import re
import struct
import subprocess
import sys

PAGE = 4096
SHARED_DATA = 0xFFFFF78000000000  # KUSER_SHARED_DATA, mapped at one place by every kernel
IMAGES = 0xFFFFF80000000000  # images lie in the gigabytes from here on


class Pdb:
    """Field offsets and symbol addresses out of llvm-pdbutil's text."""

    def __init__(self, path):
        self.types = self._dump(path, "-types")
        self.publics = self._dump(path, "-publics")
        headers = self._dump(path, "-section-headers")
        self.sections = [int(x, 16) for x in re.findall(r"([0-9A-F]+) virtual address", headers)]

    @staticmethod
    def _dump(path, what):
        return subprocess.run(["llvm-pdbutil-19", "dump", what, path], check=True, capture_output=True, text=True).stdout

    def rva(self, name):
        found = re.search(rf"`{re.escape(name)}`\n\s+flags = .*addr = (\d+):(\d+)", self.publics)
        if not found:
            sys.exit(f"no public symbol {name}")
        return self.sections[int(found[1]) - 1] + int(found[2])

    def struct(self, name):
        """{field: (offset, shift, bits or 0, bytes)} and the size of a structure."""
        definition = re.search(rf"LF_STRUCTURE \[size = \d+\] `{name}`\n.*\n.*field list: (0x[0-9A-F]+)\n.*sizeof (\d+)",
                               self.types)
        if not definition:
            sys.exit(f"no structure {name}")
        listing = re.search(rf"\n\s+{definition[1]} \| LF_FIELDLIST.*\n((?:\s+- .*\n)+)", self.types)
        fields = {}
        members = re.findall(r"LF_MEMBER \[name = `(\w+)`, Type = (0x[0-9A-F]+)(.*?), offset = (\d+)", listing[1])
        for field, kind, basic, offset in members:
            bits = re.search(rf"\n\s+{kind} \| LF_BITFIELD.*\n\s+type = .*, bit offset = (\d+), # bits = (\d+)", self.types)
            size = 8 if "__int64" in basic else 4
            fields[field] = (int(offset), int(bits[1]), int(bits[2]), size) if bits else (int(offset), 0, 0, size)
        return fields, int(definition[2])


class Memory:
    """Virtual memory by the processor's page tables."""

    def __init__(self, path, cr3):
        self.file = open(path, "rb")
        self.ram = mmap.mmap(self.file.fileno(), 0, prot=mmap.PROT_READ)
        self.root = cr3 & ~0xFFF if cr3 is not None else self._find_root()

    def _entries(self, physical):
        if physical + PAGE > len(self.ram):
            return ()
        return struct.unpack_from("<512Q", self.ram, physical)

    def _find_root(self):
        """A page that maps itself once, and memory that every process has."""
        for page in range(0, len(self.ram), PAGE):
            entries = self._entries(page)
            mine = [i for i in range(256, 512) if entries[i] & 0x000FFFFFFFFFF081 == page | 1]
            if len(mine) == 1 and next(self._walk(page, 3, 0, SHARED_DATA, SHARED_DATA + PAGE), None):
                return page
        sys.exit("no page-table root maps itself: give --cr3")

    def _walk(self, table, level, base, start, end):
        """Yields (address, physical) of the mapped pages from start to end."""
        size = PAGE << 9 * level
        for index, entry in enumerate(self._entries(table)):
            address = base + index * size
            if level == 3 and index >= 256:
                address |= 0xFFFF000000000000
            if not entry & 1 or address >= end or address + size <= start:
                continue
            target = entry & 0x000FFFFFFFFFF000
            if level == 0:
                yield address, target
            elif entry & 0x80:
                for page in range(max(address, start), min(address + size, end), PAGE):
                    yield page, (target & ~(size - 1)) + page - address
            else:
                yield from self._walk(target, level - 1, address, start, end)

    def mapped(self, start, end):
        return self._walk(self.root, 3, 0, start, end)

    def read(self, address, size):
        data = b""
        while len(data) < size:
            at = address + len(data)
            _, physical = next(self.mapped(at & ~0xFFF, (at & ~0xFFF) + 1), (0, None))
            if physical is None or physical + PAGE > len(self.ram):
                return None
            count = min(size - len(data), PAGE - at % PAGE)
            data += self.ram[physical + at % PAGE:physical + at % PAGE + count]
        return data

    def u64(self, address):
        return struct.unpack("<Q", self.read(address, 8))[0]

    def find_image(self, pdb_name):
        """The base of the image whose debug directory names this PDB."""
        for base, _ in self.mapped(IMAGES, IMAGES + (1 << 33)):
            head = self.read(base, PAGE)
            if not head or head[:2] != b"MZ":
                continue
            pe = struct.unpack_from("<I", head, 0x3C)[0]
            if pe > PAGE - 0x108 or head[pe:pe + 4] != b"PE\0\0":
                continue
            debug, size = struct.unpack_from("<II", head, pe + 24 + 112 + 6 * 8)
            for entry in range(debug, debug + size, 28):
                raw = self.read(base + entry, 28)
                kind, length, rva = struct.unpack_from("<III", raw, 12) if raw else (0, 0, 0)
                record = self.read(base + rva, length) if kind == 2 else None
                if record and record[:4] == b"RSDS" and record[24:].rstrip(b"\0").decode().lower() == pdb_name:
                    return base
        sys.exit(f"no image with {pdb_name} in memory")


def field(data, offset, layout):
    at, shift, bits, size = layout
    value = int.from_bytes(data[offset + at:offset + at + size], "little")
    return value >> shift & (1 << bits) - 1 if bits else value


def big_blocks(memory, pdb, base):
    """{address: (tag, bytes)} of allocations of whole pages."""
    fields, stride = pdb.struct("_POOL_TRACKER_BIG_PAGES")
    table = memory.u64(base + pdb.rva("PoolBigPageTable"))
    count = memory.u64(base + pdb.rva("PoolBigPageTableSize"))
    data = memory.read(table, count * stride)
    blocks = {}
    for offset in range(0, len(data), stride):
        va = struct.unpack_from("<Q", data, offset + fields["Va"][0])[0]
        if va and not va & 1:
            blocks[va] = (field(data, offset, fields["Key"]) & 0x7FFFFFFF, field(data, offset, fields["NumberOfBytes"]))
    return blocks


def small_blocks(data, fields):
    """[(tag, bytes)] of the live blocks of a page, or None when it is no page of blocks."""
    offset = previous = 0
    blocks = []
    while offset < PAGE:
        size = field(data, offset, fields["BlockSize"])
        if size == 0 or field(data, offset, fields["PreviousSize"]) != previous or offset + size * 16 > PAGE:
            return None
        if field(data, offset, fields["PoolType"]):
            blocks.append((field(data, offset, fields["PoolTag"]) & 0x7FFFFFFF, size * 16))
        previous = size
        offset += size * 16
    return blocks


def live_blocks(memory, pdb, base):
    """{(tag, pool): [bytes, ...]} of all live blocks, and the number of mapped pages that hold none by pool."""
    fields, _ = pdb.struct("_POOL_HEADER")
    big = big_blocks(memory, pdb, base)
    in_big = {va + offset for va, (_, size) in big.items() for offset in range(0, size, PAGE)}
    found, strange = {}, {}
    for pool, past_end in (("NonPaged", 0), ("Paged", 1)):
        start = memory.u64(base + pdb.rva(f"Mm{pool}PoolStart"))
        end = memory.u64(base + pdb.rva(f"Mm{pool}PoolEnd")) + past_end
        for va, (tag, size) in big.items():
            if start <= va < end:
                found.setdefault((tag, pool), []).append(size)
        for va, physical in memory.mapped(start, end):
            if va in in_big:
                continue
            blocks = small_blocks(memory.ram[physical:physical + PAGE], fields)
            if blocks is None:
                strange[pool] = strange.get(pool, 0) + 1
            for tag, size in blocks or ():
                found.setdefault((tag, pool), []).append(size)
    return found, strange


def tracker_sums(memory, pdb, base):
    """{(tag, pool): (live blocks, bytes)} by the tag counters: global table, processors' tables, expansion table."""
    fields, stride = pdb.struct("_POOL_TRACKER_TABLE")
    size = memory.u64(base + pdb.rva("PoolTrackTableSize"))
    tables = {memory.u64(base + pdb.rva("PoolTrackTable")): size}
    for processor in range(64):
        tables[memory.u64(base + pdb.rva("ExPoolTagTables") + processor * 8)] = size
    tables[memory.u64(base + pdb.rva("PoolTrackTableExpansion"))] = memory.u64(base + pdb.rva("PoolTrackTableExpansionSize"))
    sums = {}
    for table, count in tables.items():
        data = memory.read(table, count * stride) if table else b""
        for offset in range(0, len(data), stride):
            tag = field(data, offset, fields["Key"])
            for pool in ("NonPaged", "Paged"):
                number = {name: field(data, offset, fields[pool + name]) for name in ("Allocs", "Frees", "Bytes")}
                live, size_sum = sums.get((tag, pool), (0, 0))
                sums[tag, pool] = live + number["Allocs"] - number["Frees"], (size_sum + number["Bytes"]) & 2**64 - 1
    return sums


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ram")
    parser.add_argument("pdb")
    parser.add_argument("tag", nargs="+")
    parser.add_argument("--cr3", type=lambda text: int(text, 0))
    parser.add_argument("--tracker", action="store_true")
    arguments = parser.parse_args()
    if any(len(tag) != 4 for tag in arguments.tag):
        parser.error("a tag has four characters; blanks count")

    pdb = Pdb(arguments.pdb)
    memory = Memory(arguments.ram, arguments.cr3)
    base = memory.find_image(arguments.pdb.rsplit("/", 1)[-1].lower())
    found, strange = live_blocks(memory, pdb, base)
    sums = tracker_sums(memory, pdb, base) if arguments.tracker else {}
    for text in arguments.tag:
        tag = struct.unpack("<I", text.encode("latin-1"))[0] & 0x7FFFFFFF
        for pool in ("NonPaged", "Paged"):
            sizes = found.get((tag, pool), [])
            counted = "" if not arguments.tracker else " tracker {} {}".format(*sums.get((tag, pool), (0, 0)))
            print(f"{text} {pool} {len(sizes)} {sum(sizes)}{counted}")
    for pool, pages in strange.items():
        print(f"{pool}: {pages} mapped pages hold no blocks", file=sys.stderr)


if __name__ == "__main__":
    main()
