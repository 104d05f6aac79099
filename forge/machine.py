"""One machine in memory, put together from a symbol table and a state."""

import state as states
from kernel import Kernel
from paging import Space, mode_of
from physical import MIB, PAGE, Physical
from places import Room, places_of, tell
from pool_pages import PageWriter
from pool_tables import Trackers, build_big_pages

NAMES = ["System", "smss.exe", "csrss.exe", "wininit.exe", "services.exe", "lsass.exe", "svchost.exe", "explorer.exe"]
DRIVERS = ["hal.dll", "kdcom.dll", "ntfs.sys", "tcpip.sys", "leaky.sys", "my-driver.sys", "bulky.sys"]


class Machine:
    """`given`: a state, or None for one that is drawn. `mib`: of memory; None for as much as the state needs."""

    def __init__(self, table, build, random, given=None, mib=None, blocks_wanted=1500, encoded=False):
        self.table, self.build, self.random = table, build, random
        heap = table.has_symbol("ExPoolState")
        has_pages = not heap
        self.shape = states.Shape(table.pointer, has_pages, big_in_pages=has_pages)
        self.state = states.completed(given, self.shape) if given else states.random_state(random, self.shape, blocks_wanted)
        blocks = self.state["blocks"]
        wanted = sum(-(-block["size"] // PAGE) * PAGE for block in blocks if block["big"] and block["pool"] == "nonpaged")
        wanted += 2 * sum(block["size"] for block in blocks if not block["big"])
        mib = mib or max(64, (wanted + 48 * MIB) // MIB)
        pae = "pa" in table.pdb["database"].lower().removesuffix(".pdb")
        self.space = Space(Physical(mib, random), mode_of(table, pae, random), random)
        self.places = places_of(table, build, self.space.mode, random)
        self.kernel = Kernel(self.space, table, build, self.places.kernel, random)
        self._system()
        self._pool()
        # Only 64-bit kernels encode it.
        encoded = encoded and table.pointer == 8 and table.has_symbol("KdpDataBlockEncoded")
        self.debugger_data = self.kernel.debugger_data(encoded)
        for process in self.state["processes"]:
            tables = process.pop("tables")
            if tables.kernel:
                tables.share_kernel()
        self.cr3 = self.space.tables.cr3
        self._describe()

    def _system(self):
        kernel, random, state, places = self.kernel, self.random, self.state, self.places
        state.setdefault("processors", random.randint(1, 4))
        if "processes" not in state:
            state["processes"] = [{"id": 4 * (i and 20 + 7 * i) or 4, "parent_id": 4 if i else 0, "name": name}
                                  for i, name in enumerate(NAMES[:random.randint(3, len(NAMES))])]
        kernel.shared_data()
        threads = kernel.processes(state["processes"], places.records + 0x400000, places.records + 0x600000)
        idt = kernel.interrupt_table(places.records + 0x300000)
        for number in range(state["processors"]):
            place = places.records + 0x100000 + number * 0x20000
            if number == 0 and places.first_processor:
                place = places.first_processor
            elif number == 0 and kernel.has("KiInitialPCR"):
                place = kernel.address("KiInitialPCR")
            thread, stack = threads[number % len(threads)]
            kernel.processor(number, place, thread, stack, idt, self.space.tables.cr3)
        kernel.set("KeNumberProcessors", state["processors"], 1)
        self._modules()

    def _modules(self):
        kernel, random, state, at = self.kernel, self.random, self.state, self.places.drivers
        own = {"name": "nt", "image": "ntoskrnl.exe", "path": "\\SystemRoot\\system32\\ntoskrnl.exe", "size": kernel.size,
               "timestamp": kernel.timestamp, "checksum": kernel.checksum, "base": hex(kernel.base)}
        modules = [own]
        for image in state.get("drivers", DRIVERS[:random.randint(3, len(DRIVERS))]):
            size = random.randint(2, 12) * PAGE
            modules.append({"name": image.rsplit(".", 1)[0].replace("-", "_"), "image": image, "size": size, "base": hex(at),
                            "path": f"\\SystemRoot\\system32\\drivers\\{image}", "timestamp": random.randrange(1 << 29, 1 << 31),
                            "checksum": random.randrange(1 << 20)})
            kernel.driver(modules[-1])
            at += size + random.choice((0, PAGE, 16 * PAGE))
        for module in modules:
            module["end"] = hex(int(module["base"], 16) + module["size"])
        kernel.modules(modules, self.places.records)
        state["modules"] = modules

    def _pool(self):
        kernel, random, state = self.kernel, self.random, self.state
        room = Room(self.space, self.places.ranges, random)
        tell(kernel, self.places.ranges)
        kernel.set("ExpHeapBackedPoolEnabledState", 1, 4)
        Trackers(kernel, lambda size: room.take("nonpaged", size), state["processors"], random).build(state["tags"])
        big = [block for block in state["blocks"] if block["big"]]
        for block in big:
            # The end of a large paged block was often never touched.
            touched = random.randint(1, block["size"]) if block["pool"] == "paged" and random.random() < 0.3 else None
            place = room.take(block["pool"], block["size"], touched=touched)
            block["address"] = block["body"] = hex(place)
        build_big_pages(kernel, lambda size: room.take("nonpaged", size), big, random)
        small = [block for block in state["blocks"] if not block["big"]]
        if not self.shape.has_pages:
            state["blocks"] = big
            return
        writer = PageWriter(kernel, random, state["processes"])
        pages = [page for pool in states.POOLS for page in writer.pages_of([block for block in small if block["pool"] == pool])]
        random.shuffle(pages)
        for page in pages:
            pool = page[0]["pool"]
            writer.write(room.take(pool, PAGE, transition=pool == "paged" and random.random() < 0.15), page)
        state["blocks"] = big + [block for page in pages for block in page]

    def _shown(self, address):
        """Addresses are told in 64 bits, those of 32-bit machines as the processor would extend them."""
        value = int(address, 16)
        if self.table.pointer == 4 and value >> 31:
            value |= 0xFFFFFFFF << 32
        return f"{value:#018x}"

    def _describe(self):
        state = self.state
        for block in state["blocks"]:
            block.update(tag=states.tag_text(block["value"]), address=self._shown(block["address"]), body=self._shown(block["body"]))
        for module in state["modules"]:
            module.update(base=self._shown(module["base"]), end=self._shown(module["end"]))
        for process in state["processes"]:
            process.update(address=self._shown(process["address"]))
        state.update(build=self.build, machine="x64" if self.table.pointer == 8 else "x86", paging=self.space.mode.name,
                     kernel_base=self._shown(hex(self.kernel.base)), kernel_pdb=self.table.pdb["database"],
                     kernel_pdb_key=f"{self.table.pdb['GUID'].upper()}{self.table.pdb['age']:x}", debugger_data=self._shown(hex(self.debugger_data)),
                     has_small_blocks=self.shape.has_pages, tags_total=len(state["tags"]), total=states.total(state["tags"]))
