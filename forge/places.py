"""Where an image's parts lie, as kernels of the table's kind have it. What they tell of it themselves is written into their
variables: of the pools' ranges, some kernels tell all and some little (pool reference 8)."""

import dataclasses

from physical import MIB, PAGE

SLOT = 1 << 39  # of one entry at the top of x64's page tables


@dataclasses.dataclass
class Range:
    pool: str
    first: int
    size: int  # bytes set aside, of which few are mapped

    @property
    def end(self):
        return self.first + self.size


@dataclasses.dataclass
class Places:
    kernel: int
    drivers: int
    records: int  # processors, stacks, processes, lists
    ranges: list
    first_processor: int = 0


def places_of(table, build, mode, random):
    has = table.has_symbol
    if table.pointer == 8:
        if has("MiState"):
            return _randomised(mode, random)
        kernel = 0xFFFFF80000000000 + random.randrange(8, 1024) * 2 * MIB
        if has("MmNonPagedPoolStart"):
            first = 0xFFFFFA8000000000 + random.randrange(0x100, 0x2000) * 0x1000
            return Places(kernel, 0xFFFFF88000E00000, 0xFFFFF88002000000,
                          [Range("nonpaged", first, 256 * MIB), Range("paged", 0xFFFFF8A000000000, 4096 * MIB)])
        return Places(kernel, 0xFFFFF80100000000, 0xFFFFD00020000000,
                      [Range("nonpaged", 0xFFFFE00000000000 + random.randrange(0x1000) * 0x10000, 4096 * MIB),
                       Range("paged", 0xFFFFC00000000000, 4096 * MIB)])
    if build < 6000:
        nonpaged = 0x81000000 + random.randrange(0x100) * 0x10000
        return Places(0x804D7000, 0xF7400000, 0xF8100000,
                      [Range("nonpaged", nonpaged, 16 * MIB), Range("paged", 0xE1000000, 96 * MIB),
                       Range("nonpaged", 0xF9000000, 0xFFBE0000 - 0xF9000000)], 0xFFDFF000)
    return Places(0x82800000, 0x88000000, 0x8B000000,
                  [Range("nonpaged", 0x84000000, 32 * MIB), Range("paged", 0x8C000000, 64 * MIB), Range("nonpaged", 0x94000000, 32 * MIB)])


def _randomised(mode, random):
    """Each region in entries of its own at the top, drawn at each start."""
    slots = [slot for slot in range(0x110, 0x1E0, 2) if abs(slot - mode.self_entry) > 1]
    nonpaged, paged, records = (0xFFFF << 48 | slot << 39 for slot in random.sample(slots, 3))
    kernel = 0xFFFFF80000000000 + random.randrange(64, 0x3000) * 2 * MIB
    return Places(kernel, kernel + 128 * MIB, records + random.randrange(0x100) * 0x100000,
                  [Range("nonpaged", nonpaged, SLOT), Range("paged", paged, SLOT)])


def tell(kernel, ranges):
    """What the kernel says of the ranges, in whichever variables it has."""
    nonpaged = [range_ for range_ in ranges if range_.pool == "nonpaged"]
    paged = next(range_ for range_ in ranges if range_.pool == "paged")
    kernel.set("MmNonPagedPoolStart", nonpaged[0].first)
    kernel.set("MmSizeOfNonPagedPoolInBytes", nonpaged[0].size)
    kernel.set("MmNonPagedPoolExpansionStart", nonpaged[-1].first)
    kernel.set("MmNonPagedPoolEnd", nonpaged[-1].end)
    kernel.set("MiNonPagedPoolEnd", nonpaged[-1].end)
    kernel.set("MmPagedPoolStart", paged.first)
    kernel.set("MiPagedPoolStart", paged.first)
    kernel.set("MmPagedPoolEnd", paged.end - 1)
    kernel.set("MmSizeOfPagedPoolInBytes", paged.size)
    table = kernel.table
    if kernel.has("MiState") and table.has("_MI_SYSTEM_INFORMATION", "Vs"):
        _visible_state(kernel, kernel.address("MiState") + table.offset("_MI_SYSTEM_INFORMATION", "Vs"), ranges)
    elif kernel.has("MiSystemVaType"):
        _types(kernel, kernel.address("MiSystemVaType"), ranges)


def _visible_state(kernel, state, ranges):
    table = kernel.table
    if table.has("_MI_VISIBLE_STATE", "SystemVaType"):
        _types(kernel, state + table.offset("_MI_VISIBLE_STATE", "SystemVaType"), ranges)
    for range_ in ranges:
        name = "AssignedRegionNonPagedPool" if range_.pool == "nonpaged" else "AssignedRegionPagedPool"
        index = table.constant("_MI_ASSIGNED_REGION_TYPES", name)
        if index is not None and table.has("_MI_VISIBLE_STATE", "SystemVaRegions"):
            place = state + table.offset("_MI_VISIBLE_STATE", f"SystemVaRegions[{index}]")
            kernel.space.write_pointer(place + table.offset("_MI_SYSTEM_VA_ASSIGNMENT", "BaseAddress"), range_.first)
            kernel.space.write_pointer(place + table.offset("_MI_SYSTEM_VA_ASSIGNMENT", "NumberOfBytes"), range_.size)


def _types(kernel, array, ranges):
    """A byte for each entry of the page tables: on x64 of the uppermost, on x86 of the directories."""
    table, mode = kernel.table, kernel.space.mode
    shift, first = (39, 1 << 47) if table.pointer == 8 else (mode.shifts[-2], 0x80000000)
    for range_ in ranges:
        kind = table.constant("_MI_SYSTEM_VA_TYPE", "MiVaNonPagedPool" if range_.pool == "nonpaged" else "MiVaPagedPool")
        begin = (range_.first & (1 << 48) - 1) - first >> shift
        count = max(1, range_.size >> shift)
        kernel.space.write(array + begin, bytes([kind]) * count)


class Room:
    """Hands out mapped pool, with holes between."""

    def __init__(self, space, ranges, random):
        self.space, self.random = space, random
        self.parts = {pool: [range_ for range_ in ranges if range_.pool == pool] for pool in ("nonpaged", "paged")}
        self.next = {id(range_): range_.first for range_ in ranges}

    def take(self, pool, size, transition=False, touched=None):
        """`touched`: bytes that are there; the rest was never written to."""
        size = size + PAGE - 1 & -PAGE
        fitting = [part for part in self.parts[pool] if self.next[id(part)] + size <= part.end]
        if not fitting:
            raise MemoryError(f"the state does not fit into the kernel's {pool} pool")
        part = self.random.choice(fitting)
        place = self.next[id(part)]
        hole = self.random.choice((0, 0, 0, 1, 5)) * PAGE
        self.next[id(part)] = min(place + size + hole, part.end)
        there = size if touched is None else touched + PAGE - 1 & -PAGE
        self.space.map(place, there, transition=transition)
        for page in range(place + there, place + size, PAGE):
            self.space.demand_zero(page)
        return place
