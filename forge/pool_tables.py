"""The kernel's counters by pool tag, and its table of large allocations (pool reference 4 and 9)."""

from records import Record

OVERFLOW_TAG = 0x6C66764F  # "Ovfl"


def tag_hash(tag, mask):
    product = tag * 40543
    return (product & 0xFFFFFFFF ^ product >> 32) & mask


def page_hash(address, mask):
    return tag_hash(address >> 12 & 0xFFFFFFFF, mask)


def geometry(tags, has_expansion):
    """Rows of the hashed part (a power of two; one more counts what found no room) and of the list behind it: just too
    few of the former, where there is the latter."""
    rows = 64
    while rows < tags:
        rows *= 2
    if has_expansion and tags - rows // 2 <= rows // 2 and rows > 64:
        return rows // 2, (tags - rows // 2 + 7) & -8
    return rows, 8 if has_expansion else 0


class Trackers:
    def __init__(self, kernel, take, processors, random):
        self.kernel, self.table, self.take, self.random = kernel, kernel.table, take, random
        self.processors = processors
        self.stride = self.table.size("_POOL_TRACKER_TABLE")

    def build(self, tags):
        placed = [row for row in tags if not row["overflow"]]
        overflow = [row for row in tags if row["overflow"]]
        rows, expansion = geometry(len(placed), self.kernel.has("PoolTrackTableExpansion"))
        slots, listed = [None] * rows, []
        for row in self.random.sample(placed, len(placed)):
            first = tag_hash(row["value"], rows - 1)
            free = next((index % rows for index in range(first, first + rows) if slots[index % rows] is None), None)
            if free is None:
                listed.append(row)
            else:
                slots[free] = row
        tables = self._tables((rows + 1) * self.stride)
        for index, row in [(i, row) for i, row in enumerate(slots) if row] + [(rows, row) for row in overflow]:
            # What the row of mixed tags is called is the kernel's affair: both ways are met.
            key = row["value"] if not row["overflow"] or self.random.random() < 0.5 else 0
            for place, share, is_global in zip(tables, self._shares(row, len(tables)), [True] + [False] * len(tables)):
                touched = any(share.values())
                self._write(place + index * self.stride, key if touched or is_global else 0, share)
        self.kernel.set("PoolTrackTableSize", rows + 1)
        self.kernel.set("PoolTrackTableMask", rows - 1)
        if expansion:
            place = self.take(expansion * self.stride)
            self.kernel.set("PoolTrackTableExpansion", place)
            self.kernel.set("PoolTrackTableExpansionSize", expansion)
            for index, row in enumerate(listed):
                self._write(place + index * self.stride, row["value"], self._shares(row, 1)[0])

    def _tables(self, size):
        """The global one, then those of the processors; that of processor 0 may be the global one."""
        tables = [self.take(size)]
        self.kernel.set("PoolTrackTable", tables[0])
        if self.kernel.has("ExPoolTagTables"):
            own = [tables[0]] if self.random.random() < 0.5 else []
            while len(own) < self.processors:
                own.append(self.take(size))
            for number, place in enumerate(own):
                self.kernel.space.write_pointer(self.kernel.address("ExPoolTagTables") + number * self.table.pointer, place)
            tables += [place for place in own if place != tables[0]]
        return tables

    def _shares(self, row, count):
        """The row's counters in as many parts. What one processor allocated another frees, so bytes may be negative."""
        parts = [{} for _ in range(count)]
        for pool, column in (("nonpaged", "NonPaged"), ("paged", "Paged")):
            used = self.random.sample(range(count), self.random.randint(1, count))
            for name in ("Allocs", "Frees"):
                rest = row[pool][name.lower()]
                for i in used[1:]:
                    parts[i][column + name] = self.random.randint(0, rest)
                    rest -= parts[i][column + name]
                parts[used[0]][column + name] = rest
            rest = row[pool]["bytes"]
            for i in used[1:]:
                parts[i][column + "Bytes"] = self.random.randint(-row[pool]["bytes"], row[pool]["bytes"])
                rest -= parts[i][column + "Bytes"]
            parts[used[0]][column + "Bytes"] = rest
        return parts

    def _write(self, place, key, share):
        record = Record(self.table, "_POOL_TRACKER_TABLE").set("Key", key)
        for column, value in share.items():
            record.set(column, value)
        self.kernel.space.write(place, record.bytes)


def build_big_pages(kernel, take, blocks, random):
    table, page = kernel.table, 0x1000
    stride = table.size("_POOL_TRACKER_BIG_PAGES")
    entries = 256
    while entries < 2 * len(blocks):
        entries *= 2
    place = take(entries * stride)
    slots = [None] * entries
    # Every fifth entry is of a block that is gone: its address stays, with bit 0 set.
    stale = [dict(block, gone=True) for block in random.sample(blocks, len(blocks) // 5)]
    for block in stale + blocks:
        index = page_hash(int(block["address"], 16), entries - 1)
        while slots[index] is not None:
            index = (index + 1) % entries
        slots[index] = block
    for index, block in enumerate(slots):
        record = Record(table, "_POOL_TRACKER_BIG_PAGES")
        if block is None:
            record.set("Va", random.choice((0, 1)))
        else:
            record.set("Va", int(block["address"], 16) | block.get("gone", False)).set("Key", block["value"])
            if record.has("NumberOfBytes"):
                record.set("NumberOfBytes", block["size"])
            else:
                record.set("NumberOfPages", block["size"] // page)
            paged = block["pool"] == "paged"
            # Nonpaged pool that does not execute is a type of its own since Windows 8.
            no_execute = 512 if table.constant("_POOL_TYPE", "NonPagedPoolNx") and random.random() < 0.8 else 0
            record.set_if("PoolType", 1 if paged else no_execute)
            record.set_if("SlushSize", 0).set_if("Pattern", random.randrange(256))
            record.set_if("ProcessBilled", random.getrandbits(62))
        kernel.space.write(place + index * stride, record.bytes)
    kernel.set("PoolBigPageTable", place)
    kernel.set("PoolBigPageTableSize", entries)
    kernel.set("ExpPoolBigEntriesInUse", len(blocks), 4)
