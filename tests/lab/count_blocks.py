#!/usr/bin/env python3
"""Counts the live pool blocks of a tag in the practice kernel's memory, with nothing of poolkd's.

    count_blocks.py RAM KERNEL.PDB TAG... [--cr3 ADDRESS] [--tracker]

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
        # On x86 names are _Name, _Name@12 or @Name@8.
        found = re.search(rf"`[_@]?{re.escape(name)}(?:@\d+)?`\n\s+flags = .*addr = (\d+):(\d+)", self.publics)
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


class Paging:
    """How a kernel's processor translates, told by the sizes of structures in the kernel's PDB."""

    def __init__(self, pdb):
        self.pointer = pdb.struct("_LIST_ENTRY")[1] // 2
        self.entry_size = pdb.struct("_MMPTE")[1]
        if self.pointer == 8:
            self.levels = [(39, 9), (30, 9), (21, 9), (12, 9)]  # shift and bits of the index, from the root on
            self.shared_data = 0xFFFFF78000000000  # KUSER_SHARED_DATA, mapped at one place by every kernel
            self.images = 0xFFFFF80000000000, 0xFFFFF80200000000
        else:
            self.levels = [(22, 10), (12, 10)] if self.entry_size == 4 else [(30, 2), (21, 9), (12, 9)]
            self.shared_data = 0xFFDF0000
            self.images = 0x80000000, 0xFFC00000
        self.frame = 0xFFFFF000 if self.entry_size == 4 else 0x000FFFFFFFFFF000

    def may_be_large(self, level):
        return level != 0 or self.entry_size == 4


class Memory:
    """Virtual memory by the processor's page tables."""

    def __init__(self, path, cr3, pdb):
        self.file = open(path, "rb")
        self.ram = mmap.mmap(self.file.fileno(), 0, prot=mmap.PROT_READ)
        self.paging = Paging(pdb)
        self.root = cr3 & ~0xFFF if cr3 is not None else self._find_root()

    def _entries(self, physical, bits=9):
        size = self.paging.entry_size << bits
        if physical + size > len(self.ram):
            return ()
        return struct.unpack_from(f"<{1 << bits}{'Q' if self.paging.entry_size == 8 else 'I'}", self.ram, physical)

    def _maps_itself(self, page):
        """Whether a page is a root of tables that shows its tables in virtual memory, at one place."""
        paging, valid = self.paging, 0x81  # present, and no large page
        if paging.pointer == 8:
            entries = self._entries(page)
            return sum(entries[i] & (paging.frame | valid) == page | 1 for i in range(256, 512)) == 1
        if paging.entry_size == 4:
            return self._entries(page, 10)[0x300] & (paging.frame | valid) == page | 1
        directories = self._entries(page, 2)
        if any(entry & ~paging.frame != 1 or entry >= len(self.ram) for entry in directories):
            return False
        return [entry & (paging.frame | valid) for entry in self._entries(directories[3] & paging.frame)[:4]] == list(directories)

    def _find_root(self):
        """A page that maps itself, and memory that every process has."""
        shared = self.paging.shared_data
        for page in range(0, len(self.ram), PAGE):
            if self._maps_itself(page) and next(self._walk(page, 0, 0, shared, shared + PAGE), None):
                return page
        sys.exit("no page-table root maps itself: give --cr3")

    def _walk(self, table, level, base, start, end):
        """Yields (address, physical) of the mapped pages from start to end."""
        shift, bits = self.paging.levels[level]
        size = 1 << shift
        for index, entry in enumerate(self._entries(table, bits)):
            address = base + index * size
            if shift == 39 and index >= 256:
                address |= 0xFFFF000000000000
            if not entry & 1 or address >= end or address + size <= start:
                continue
            target = entry & self.paging.frame
            if shift == 12:
                yield address, target
            elif entry & 0x80 and self.paging.may_be_large(level):
                for page in range(max(address, start), min(address + size, end), PAGE):
                    yield page, (target & ~(size - 1)) + page - address
            else:
                yield from self._walk(target, level + 1, address, start, end)

    def mapped(self, start, end):
        return self._walk(self.root, 0, 0, start, end)

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

    def pointer(self, address):
        return int.from_bytes(self.read(address, self.paging.pointer), "little")

    def find_image(self, pdb_name):
        """The base of the image whose debug directory names this PDB."""
        directories = 24 + (112 if self.paging.pointer == 8 else 96)
        for base, _ in self.mapped(*self.paging.images):
            head = self.read(base, PAGE)
            if not head or head[:2] != b"MZ":
                continue
            pe = struct.unpack_from("<I", head, 0x3C)[0]
            if pe > PAGE - 0x108 or head[pe:pe + 4] != b"PE\0\0":
                continue
            debug, size = struct.unpack_from("<II", head, pe + directories + 6 * 8)
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
    table = memory.pointer(base + pdb.rva("PoolBigPageTable"))
    count = memory.pointer(base + pdb.rva("PoolBigPageTableSize"))
    data = memory.read(table, count * stride)
    blocks = {}
    for offset in range(0, len(data), stride):
        va = int.from_bytes(data[offset + fields["Va"][0]:][:memory.paging.pointer], "little")
        if va and not va & 1:
            blocks[va] = (field(data, offset, fields["Key"]) & 0x7FFFFFFF, field(data, offset, fields["NumberOfBytes"]))
    return blocks


def small_blocks(data, fields, unit):
    """[(tag, bytes)] of the live blocks of a page, or None when it is no page of blocks. Sizes in headers count units, the
    header itself being one."""
    offset = previous = 0
    blocks = []
    while offset < PAGE:
        size = field(data, offset, fields["BlockSize"])
        if size == 0 or field(data, offset, fields["PreviousSize"]) != previous or offset + size * unit > PAGE:
            return None
        if field(data, offset, fields["PoolType"]):
            blocks.append((field(data, offset, fields["PoolTag"]) & 0x7FFFFFFF, size * unit))
        previous = size
        offset += size * unit
    return blocks


def live_blocks(memory, pdb, base):
    """{(tag, pool): [bytes, ...]} of all live blocks, and the number of mapped pages that hold none by pool."""
    fields, unit = pdb.struct("_POOL_HEADER")
    big = big_blocks(memory, pdb, base)
    in_big = {va + offset for va, (_, size) in big.items() for offset in range(0, size, PAGE)}
    found, strange = {}, {}
    for pool, past_end in (("NonPaged", 0), ("Paged", 1)):
        start = memory.pointer(base + pdb.rva(f"Mm{pool}PoolStart"))
        end = memory.pointer(base + pdb.rva(f"Mm{pool}PoolEnd")) + past_end
        for va, (tag, size) in big.items():
            if start <= va < end:
                found.setdefault((tag, pool), []).append(size)
        for va, physical in memory.mapped(start, end):
            if va in in_big:
                continue
            blocks = small_blocks(memory.ram[physical:physical + PAGE], fields, unit)
            if blocks is None:
                strange[pool] = strange.get(pool, 0) + 1
            for tag, size in blocks or ():
                found.setdefault((tag, pool), []).append(size)
    return found, strange


def tracker_sums(memory, pdb, base):
    """{(tag, pool): (live blocks, bytes)} by the tag counters: global table, processors' tables, expansion table."""
    fields, stride = pdb.struct("_POOL_TRACKER_TABLE")
    size = memory.pointer(base + pdb.rva("PoolTrackTableSize"))
    tables = {memory.pointer(base + pdb.rva("PoolTrackTable")): size}
    for processor in range(64):
        tables[memory.pointer(base + pdb.rva("ExPoolTagTables") + processor * memory.paging.pointer)] = size
    tables[memory.pointer(base + pdb.rva("PoolTrackTableExpansion"))] = memory.pointer(base + pdb.rva("PoolTrackTableExpansionSize"))
    sums = {}
    for table, count in tables.items():
        data = memory.read(table, count * stride) if table else b""
        for offset in range(0, len(data), stride):
            tag = field(data, offset, fields["Key"])
            for pool in ("NonPaged", "Paged"):
                number = {name: field(data, offset, fields[pool + name]) for name in ("Allocs", "Frees", "Bytes")}
                live, size_sum = sums.get((tag, pool), (0, 0))
                sums[tag, pool] = live + number["Allocs"] - number["Frees"], (size_sum + number["Bytes"]) & 2**(8 * memory.paging.pointer) - 1
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
    memory = Memory(arguments.ram, arguments.cr3, pdb)
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
