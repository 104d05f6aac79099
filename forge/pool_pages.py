"""Pages of small blocks, each behind a POOL_HEADER: pool up to Windows 10 1803 (pool reference 7)."""

from physical import PAGE
from records import Record
from state import PROTECTED

PAGED, IN_USE, QUOTA = 1, 2, 8


class PageWriter:
    def __init__(self, kernel, random, processes):
        self.kernel, self.table, self.random, self.processes = kernel, kernel.table, random, processes
        self.unit = 2 * self.table.pointer
        self.cookie = 0
        if kernel.has("ExpPoolQuotaCookie"):
            self.cookie = random.getrandbits(64)
            kernel.set("ExpPoolQuotaCookie", self.cookie, 8)

    def pages_of(self, blocks):
        """The blocks in pages, each filled up with free blocks: lists of blocks."""
        pages, page, used = [], [], 0
        for block in self.random.sample(blocks, len(blocks)):
            if used + block["size"] > PAGE:
                pages.append(self._filled(page, used))
                page, used = [], 0
            # Here and there a free block lies between two others.
            gap = 4 * self.unit
            if page and page[-1]["allocated"] and self.random.random() < 0.1 and used + gap + block["size"] <= PAGE:
                page.append(self._free(gap, block["pool"]))
                used += gap
            page.append(block)
            used += block["size"]
        return pages + ([self._filled(page, used)] if page else [])

    def _filled(self, page, used):
        if used == PAGE:
            return page
        if not page[-1]["allocated"]:
            page[-1]["size"] += PAGE - used  # two free blocks are never neighbours
            return page
        return page + [self._free(PAGE - used, page[0]["pool"])]

    def _free(self, size, pool):
        # It bears the tag of whoever had it last.
        value = self.random.choice((0x65657246, 0x20636241, 0x6B61654C))
        return {"value": value, "size": size, "pool": pool, "big": False, "protected": False, "allocated": False}

    def write(self, address, page):
        data, previous = bytearray(), 0
        index = self.random.randrange(4)
        for block in page:
            block["address"], block["body"] = hex(address + len(data)), hex(address + len(data) + self.unit)
            data += self._block(block, previous, index, address + len(data))
            previous = block["size"]
        self.kernel.space.write(address, data)

    def _block(self, block, previous, index, address):
        quota = block["allocated"] and self.random.random() < 0.1
        record = Record(self.table, "_POOL_HEADER")
        record.set("PreviousSize", previous // self.unit).set("BlockSize", block["size"] // self.unit).set("PoolIndex", index)
        record.set("PoolTag", block["value"] | (PROTECTED if block["protected"] else 0))
        record.set("PoolType", self._type(block, quota))
        content = bytearray(self.random.getrandbits(8) for _ in range(16)) * ((block["size"] - self.unit) // 16 + 1)
        data = record.bytes + content[:block["size"] - self.unit]
        if quota:
            self._bill(block, data, address)
        return data

    def _type(self, block, quota):
        if not block["allocated"]:
            return 0
        type_ = (PAGED if block["pool"] == "paged" else 0) | (QUOTA if quota else 0)
        # Up to Server 2003 the type is kept plus one; from Vista on with a bit of its own for blocks in use.
        return type_ + 1 if self.kernel.build < 6000 else type_ | IN_USE

    def _bill(self, block, data, address):
        process = self.random.choice(self.processes)
        block["process"] = process["id"]
        value, width = int(process["address"], 16), self.table.pointer
        if width == 8:
            encoded = value ^ address ^ self.cookie if self.cookie else value
            data[8:16] = encoded.to_bytes(8, "little")
        else:
            data[-width:] = (value & 0xFFFFFFFF).to_bytes(4, "little")
