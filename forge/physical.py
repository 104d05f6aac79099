"""The memory of a machine: pages, those that were never written without cost."""

PAGE = 0x1000
MIB = 0x100000
LARGE = 2 * MIB
LOW_END = 0xC0000000  # where RAM gives way to devices; the rest lies from 4 GiB on
FOUR_GIB = 1 << 32


class Physical:
    """RAM as a PC's firmware leaves it: without the first page, the BIOS area, and the hole below 4 GiB."""

    def __init__(self, mib, random):
        size = mib * MIB
        self.runs = [(PAGE, 0x9E000), (MIB, min(size, LOW_END) - MIB)]  # (start, bytes)
        if size > LOW_END:
            self.runs.append((FOUR_GIB, size - LOW_END))
        self.pages = {}
        self.large = self._large(random)
        self.free = self._scattered(random)

    def _large(self, random):
        """The upper half of the largest run, in large pages, for what is mapped by them."""
        start, size = max(self.runs, key=lambda run: run[1])
        self.reserved = (start + size // 2 + LARGE - 1) & ~(LARGE - 1), start + size
        places = list(range(self.reserved[0], self.reserved[1] - LARGE + 1, LARGE))[:64]
        random.shuffle(places)
        return iter(places)

    def _scattered(self, random):
        """All other pages in an order that looks random."""
        pages = sum(size for _, size in self.runs) // PAGE
        step = next(s for s in iter(lambda: random.randrange(pages // 3, pages) | 1, None) if pages % 2 == 0 or pages % s)
        first = random.randrange(pages)
        while _gcd(step, pages) != 1:
            step += 2 if pages % 2 == 0 else 1
        for i in range(pages):
            index = (first + i * step) % pages * PAGE
            for start, size in self.runs:
                if index < size:
                    if not self.reserved[0] <= start + index < self.reserved[1]:
                        yield start + index
                    break
                index -= size

    def take_low_page(self):
        """As the system's own page tables have them, which are made when it starts."""
        page = next(page for page in range(MIB + 0x87000, 16 * MIB, PAGE) if page not in self.pages)
        self.pages[page] = bytearray(PAGE)
        return page

    def take_page(self):
        page = next((page for page in self.free if page not in self.pages), None)
        if page is None:
            raise MemoryError("the state does not fit into the image's memory: give it more with --mib")
        self.pages[page] = bytearray(PAGE)
        return page

    def take_large(self, count):
        """Adjacent 4 KiB pages do: `count` large pages, each anywhere."""
        places = [next(self.large, None) for _ in range(count)]
        if None in places:
            raise MemoryError("the kernel does not fit into the image's memory: give it more with --mib")
        return places

    def write(self, address, data):
        while data:
            page, offset = address & -PAGE, address % PAGE
            part = data[:PAGE - offset]
            self.pages.setdefault(page, bytearray(PAGE))[offset:offset + len(part)] = part
            address, data = address + len(part), data[len(part):]

    def read(self, address, size):
        page, offset = address & -PAGE, address % PAGE
        return bytes(self.pages.get(page, b"\0" * PAGE)[offset:offset + size])

    def fill(self, file, offset, start, size):
        """Writes the pages of [start, start + size) to the file; what holds nothing stays a hole."""
        for page, data in self.pages.items():
            if start <= page < start + size:
                file.seek(offset + page - start)
                file.write(data)


def _gcd(a, b):
    while b:
        a, b = b, a % b
    return a
