"""Page tables, and memory by the kernel's addresses.

Hardware formats: Intel's manual. What NT adds: the tables map themselves, and an entry whose valid bit is clear still tells
where a page in transition lies.
"""

import struct

from physical import LARGE, PAGE

VALID, WRITE, USER, ACCESSED, DIRTY, LARGE_BIT, GLOBAL = 1, 2, 4, 0x20, 0x40, 0x80, 0x100
KERNEL = VALID | WRITE | ACCESSED | DIRTY
TRANSITION, PROTECTION_READ_WRITE = 1 << 11, 4 << 5
NO_EXECUTE = 1 << 63


class Mode:
    """How many levels of which width; the top is what CR3 names."""

    def __init__(self, name, entry_bytes, shifts, self_entry, cr4):
        self.name, self.entry_bytes, self.shifts, self.self_entry, self.cr4 = name, entry_bytes, shifts, self_entry, cr4
        self.format = "<Q" if entry_bytes == 8 else "<I"
        self.index_mask = PAGE // entry_bytes - 1
        self.large_bytes = 1 << shifts[-2]


def mode_of(table, pae, random):
    if table.pointer == 8:
        # At a place drawn at each start since kernels have a variable for it.
        index = random.randrange(0x101, 0x1E0) if table.has_symbol("MmPteBase") else 0x1ED
        return Mode("x64", 8, (39, 30, 21, 12), index, 0x6F8 & ~0x20 | 0x20)
    return Mode("PAE", 8, (30, 21, 12), 3, 0x6F0 | 0x20) if pae else Mode("x86", 4, (22, 12), 0x300, 0x6D0 & ~0x20)


class Tables:
    """The page tables of one process. All share the tables of the kernel's half."""

    def __init__(self, physical, mode, kernel=None):
        self.physical, self.mode, self.kernel = physical, mode, kernel
        self.new_page = physical.take_page if kernel else physical.take_low_page
        if mode.name == "PAE":
            self._new_pae()
        else:
            self.root = self.new_page()
            self.top = self.root
            self._set(self.top, mode.self_entry, self.top | KERNEL)

    def _new_pae(self):
        self.root = self.new_page() + 0x20  # aligned to 32 bytes, as NT packs several into a page
        self.directories = [self.new_page() for _ in range(4)]
        for i, directory in enumerate(self.directories):
            self.physical.write(self.root + 8 * i, struct.pack("<Q", directory | VALID))
            self._set(self.directories[3], i, directory | KERNEL)

    @property
    def cr3(self):
        return self.root

    def _set(self, table, index, entry):
        self.physical.write(table + index * self.mode.entry_bytes, struct.pack(self.mode.format, entry & (1 << 8 * self.mode.entry_bytes) - 1))

    def _get(self, table, index):
        return struct.unpack(self.mode.format, self.physical.read(table + index * self.mode.entry_bytes, self.mode.entry_bytes))[0]

    def _table_for(self, address, last_shift, flags):
        """The table whose entries span 1 << last_shift bytes each."""
        shifts = self.mode.shifts
        if self.mode.name == "PAE":
            table, shifts = self.directories[address >> 30 & 3], shifts[1:]
        else:
            table = self.top
        for shift in shifts:
            if shift == last_shift:
                return table
            index = address >> shift & self.mode.index_mask
            entry = self._get(table, index)
            if not entry & VALID:
                entry = self.physical.take_page() | KERNEL | flags & USER
                self._set(table, index, entry)
            table = entry & 0x000FFFFFFFFFF000

    def set_entry(self, address, entry):
        self._set(self._table_for(address, 12, entry), address >> 12 & self.mode.index_mask, entry)

    def set_large(self, address, entry):
        shift = self.mode.shifts[-2]
        self._set(self._table_for(address, shift, entry), address >> shift & self.mode.index_mask, entry | LARGE_BIT)

    def share_kernel(self):
        """Takes over the kernel's half, when all of that is there."""
        first_directory = 2 if self.mode.name == "PAE" else None
        if first_directory:
            for mine, theirs in list(zip(self.directories, self.kernel.directories))[first_directory:]:
                for index in range(4 if mine == self.directories[3] else 0, 512):
                    self._set(mine, index, self._get(theirs, index))
            return
        for index in range((self.mode.index_mask + 1) // 2, self.mode.index_mask + 1):
            if index != self.mode.self_entry:
                self._set(self.top, index, self._get(self.kernel.top, index))


class Space:
    """Kernel memory by virtual address."""

    def __init__(self, physical, mode, random):
        self.physical, self.mode, self.random = physical, mode, random
        self.tables = Tables(physical, mode)
        self.pages = {}  # page address: where it is
        self.mask = (1 << 64) - 1 if mode.name == "x64" else (1 << 32) - 1

    def map(self, address, size, executable=False, transition=False):
        """Pages for [address, address + size), where there are none yet."""
        for page in range(address & -PAGE, address + size, PAGE):
            if page in self.pages:
                continue
            place = self.physical.take_page()
            self.pages[page] = place
            if transition:
                entry = place | TRANSITION | PROTECTION_READ_WRITE
            else:
                entry = place | KERNEL | GLOBAL | (0 if executable or self.mode.entry_bytes == 4 else NO_EXECUTE)
            self.tables.set_entry(page, entry)

    def map_image(self, address, size):
        """An image of the system: by large pages where these fit, as NT does."""
        large = self.mode.large_bytes
        if large != LARGE or address % large:
            return self.map(address, size, executable=True)
        count = (size + large - 1) // large
        for i, place in enumerate(self.physical.take_large(count)):
            self.tables.set_large(address + i * large, place | KERNEL | GLOBAL)
            for page in range(0, large, PAGE):
                self.pages[address + i * large + page] = place + page

    def demand_zero(self, address):
        """A page that was never touched: charged, and nowhere."""
        self.tables.set_entry(address, PROTECTION_READ_WRITE)

    def write(self, address, data):
        data = bytes(data)
        while data:
            part = data[:PAGE - address % PAGE]
            self.physical.write(self.pages[address & -PAGE] + address % PAGE, part)
            address, data = address + len(part), data[len(part):]

    def read(self, address, size):
        data = b""
        while len(data) < size:
            at = address + len(data)
            data += self.physical.read(self.pages[at & -PAGE] + at % PAGE, min(size - len(data), PAGE - at % PAGE))
        return data

    def write_pointer(self, address, value):
        self.write(address, (value & self.mask).to_bytes(8 if self.mode.name == "x64" else 4, "little"))
