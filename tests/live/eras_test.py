"""The whole job on every practice kernel that the build made, and on both pipes for each kind of machine, as one table.

Each line is a machine of its own. poolkd attaches, tells the target and its modules, finds the leaking tag by the
counters and block by block, stops in the driver that leaks, and puts everything back. The truth comes from elsewhere:
the drivers' own counters, the image files, and QEMU's view of the machine's memory, read by scripts that share nothing
with poolkd. Seed 0 on the fast pipe has the leak page's full pool; the others have a young leak, which is quick on a
serial line as well.
"""

import concurrent.futures
import os
import pathlib
import re
import sys
import time
import unittest

from lab import GO_LIMIT, POOLKD, LiveTest, at_first_break

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
import count_blocks  # noqa: E402

IMAGES = pathlib.Path(os.environ.get("POOLKD_LAB_IMAGES", pathlib.Path(POOLKD).resolve().parent.parent / "lab"))
AT_ONCE = 2  # machines
TAG = "Abc "

# What Windows' symbols say of (_POOL_TRACKER_TABLE, _POOL_TRACKER_BIG_PAGES); other seeds than 0 put padding in.
WINDOWS_SIZES = {("x64", 7): (40, 24), ("x64", 10): (56, 24), ("x64", 11): (80, 32), ("x86", 7): (28, 16), ("x86", 10): (48, 16)}
BUILDS = {7: 7601, 10: 19041, 11: 22000}
KDBG_FORMS = {"x64": ["plain", "encoded", "short", "absent"], "x86": ["plain", "short", "absent"]}
KDBG_TAG = 0x4742444B

STEPS = ["attach", "modules", "poolused", "poolfind", "stop", "undo"]
PAGE = {"Abc ": (36405, 33930272), "Tron": (552, 7863232), "IoN7": (10939, 998432), "Gla5": (2222, 924352), "Ggb ": (22, 828384)}
PAGE_DRIVERS = {"bgwork", "leaky", "tronfs", "ionet", "glacier", "ggbus"}
YOUNG_LEAK = {"Abc ": (200, 150016)}


class Cell(LiveTest):
    """The job on one machine. `row` holds what the table shows of it."""

    def __init__(self, arch, era, seed, pipe, kaslr, kdbg):
        super().__init__("the_job")
        self.row = {"era": era, "machine": arch, "seed": seed, "pipe": pipe, "KASLR": "on" if kaslr else "off", "PAE": "", "KDBG": kdbg,
                    "row": "", "big": "", "blocks": "", **dict.fromkeys(STEPS, ""), "requests": "", "s": ""}
        self.scenario, self.truth = ("page", PAGE) if (pipe, seed, era) == ("virtio", 0, 10) else ("leak", YOUNG_LEAK)
        self.boot = f"kdbg={kdbg}" + (" tracker=128" if self.scenario == "leak" else "")
        self.images = IMAGES / arch / f"era{era}" / f"seed{seed}"

    def the_job(self):
        begun = time.monotonic()
        row = self.row
        options = ["--arch", row["machine"], "--era", str(row["era"]), "--seed", str(row["seed"]), "--pipe", row["pipe"],
                   "--boot", self.boot, *(["--kaslr"] if row["KASLR"] == "on" else [])]
        self.machine = self.start_lab(self.scenario, *options)
        self.debugger = at_first_break(self.debug())
        self.look_at_memory()
        for step in STEPS:
            row[step] = "wrong"
            getattr(self, step)()
            row[step] = "ok"
        row["s"] = f"{time.monotonic() - begun:.1f}"

    def look_at_memory(self):
        """The machine's memory as its processor translates it, and the kernel's structures, without poolkd's help."""
        self.pdb = kernel_pdb(self.images)
        self.memory = count_blocks.Memory(self.machine["memory_file"], self.debugger.value("@cr3"), self.pdb)
        self.addCleanup(self.memory.file.close)
        self.base = self.memory.find_image(next(self.images.glob("ntk*.pdb")).name)

    def variable(self, name, size=4):
        return int.from_bytes(self.memory.read(self.base + self.pdb.rva(name), size), "little")

    def attach(self):
        text = self.debugger.type("vertarget")
        row = self.row
        self.assertIn(f"Kernel Version {BUILDS[row['era']]} UP Free {row['machine']}", text)
        self.assertIn(f"Built by: {BUILDS[row['era']]}.1.", text)
        shown = int(re.search(r"Kernel base = 0x(\S+)", text)[1].replace("`", ""), 16)
        self.assertEqual(shown & (1 << 8 * self.memory.paging.pointer) - 1, self.base)
        row["PAE"] = {8: "", 4: "on" if self.memory.paging.entry_size == 8 else "off"}[self.memory.paging.pointer]
        row["KDBG"] = self.kdbg_form(row["KDBG"])
        # The members that the walks go by, against the text that LLVM makes of the same PDB.
        for column, name, windows in zip(("row", "big"), ("_POOL_TRACKER_TABLE", "_POOL_TRACKER_BIG_PAGES"),
                                         WINDOWS_SIZES[row["machine"], row["era"]]):
            row[column] = self.debugger.json(f"dt nt!{name}")["size"]
            self.assertEqual(row[column], self.pdb.struct(name)[1], name)
            (self.assertEqual if row["seed"] == 0 else self.assertGreaterEqual)(row[column], windows, name)

    def kdbg_form(self, wanted):
        """What stands in memory."""
        tag, size = (self.variable_at("KdDebuggerDataBlock", offset) for offset in (0x10, 0x14))
        if wanted == "encoded":
            self.assertNotEqual(tag, KDBG_TAG)
            self.assertEqual(self.variable("KdpDataBlockEncoded", 1), 1)
            return wanted
        self.assertEqual(tag, KDBG_TAG)
        return wanted if wanted == "absent" else f"{wanted} {size:x}"

    def variable_at(self, name, offset):
        return int.from_bytes(self.memory.read(self.base + self.pdb.rva(name) + offset, 4), "little")

    def modules(self):
        self.debugger.type("ld *")
        modules = self.debugger.json("lm")["modules"]
        files = PAGE_DRIVERS if self.scenario == "page" else {"leaky"}
        self.assertEqual({module["name"] for module in modules}, files | {"nt"})
        for module in modules:
            self.assertIn("pdb symbols", module["symbols"], module)
            header = self.memory.read(int(module["base"], 16) & (1 << 8 * self.memory.paging.pointer) - 1, 0x400)
            at = int.from_bytes(header[0x3C:0x40], "little")
            self.assertEqual((header[:2], int.from_bytes(header[at + 0x50:at + 0x54], "little")), (b"MZ", module["size"]))

    def poolused(self):
        table = self.debugger.json("!poolused 4")
        self.assertTrue(table["coverage"]["complete"])
        top = table["tags"][:len(self.truth)]
        self.assertEqual([row["tag"] for row in top], list(self.truth))
        shown = {row["tag"]: (row["paged"]["outstanding"], row["paged"]["bytes"]) for row in top}
        self.assertEqual(shown, self.truth)
        sums = count_blocks.tracker_sums(self.memory, self.pdb, self.base)
        self.assertEqual(shown, {tag: sums[int.from_bytes(tag.encode(), "little"), "Paged"] for tag in self.truth})
        counters = tuple(self.debugger.value(f"poi(leaky!Leaky{what})") for what in ("LiveBlocks", "LiveBytes"))
        self.assertEqual(shown[TAG], counters)

    def poolfind(self):
        found = self.debugger.json("!poolfind Abc 1 -total")
        self.assertTrue(found["coverage"]["complete"])
        self.row["blocks"] = found["tags"][0]["blocks"]
        self.assertEqual((self.row["blocks"], found["tags"][0]["bytes"]), self.truth[TAG])
        blocks, _ = count_blocks.live_blocks(self.memory, self.pdb, self.base)
        sizes = blocks[int.from_bytes(TAG.encode(), "little"), "Paged"]
        self.assertEqual((len(sizes), sum(sizes)), self.truth[TAG])

    def stop(self):
        self.debugger.type("ed nt!poolhittag ' cbA'")
        self.assertEqual(self.variable("PoolHitTag").to_bytes(4, "little"), TAG.encode())
        self.assertIn("Break instruction exception - code 80000003 (first chance)", self.debugger.type("g"))
        trace = self.debugger.json("k")
        sites = [frame["site"] for frame in trace["frames"]]
        self.assertEqual(trace["end"], "complete", sites)
        self.assertRegex(" ".join(sites), r"^nt!DbgBreakPoint nt!Ex(Allocate|Free)PoolWithTag\S* leaky!\S+ .*leaky!LeakyServeRequests")

    def undo(self):
        self.assertIn("PoolHitTag", self.debugger.type(".writes"))
        self.row["requests"] = self.debugger.json(".link")["requests"]
        self.debugger.type(".undo")
        self.assertEqual(self.variable("PoolHitTag"), 0)
        self.assertEqual(self.debugger.quit("qd")[0], 0)
        self.assertEqual(self.variable("PoolHitTag"), 0)
        # It runs on, without a debugger to hold it.
        leaky = count_blocks.Pdb(str(self.images / "leaky.pdb"))
        counter = self.memory.find_image("leaky.pdb") + leaky.rva("LeakyAllocations")
        before = self.memory.read(counter, 8)
        end = time.monotonic() + GO_LIMIT
        while self.memory.read(counter, 8) == before:
            self.assertLess(time.monotonic(), end, "the machine stands still")
            time.sleep(0.01)


PDBS = {}


def kernel_pdb(images):
    if images not in PDBS:
        PDBS[images] = count_blocks.Pdb(str(next(images.glob("ntk*.pdb"))))
    return PDBS[images]


def cells():
    """Every set of images, the first of each machine and era on the serial line as well: a permuted layout travels no
    other way. In the order of the table; KASLR and the forms of KDBG change from line to line."""
    sets = sorted((path.parent.parent.parent.name, int(path.parent.parent.name[3:]), int(path.parent.name[4:]))
                  for path in IMAGES.glob("x*/era*/seed*/ntoskrnl.exe"))
    line = 0
    for number, (arch, era, seed) in enumerate(sets):
        forms = KDBG_FORMS[arch] if arch == "x86" or era >= 10 else [form for form in KDBG_FORMS[arch] if form != "encoded"]
        for pipe in ("virtio", "com1") if seed == 0 else ("virtio",):
            yield arch, era, seed, pipe, (number + (pipe == "com1")) % 2 == 1, forms[line % len(forms)]
            line += 1


def run_cell(specification):
    """In a process of its own: what happened, as text, and the row."""
    cell = Cell(*specification)
    result = unittest.TestResult()
    cell.run(result)
    return cell.row, [text for _, text in result.failures + result.errors]


class Eras(unittest.TestCase):
    def test_the_whole_job_on_every_kernel(self):
        specifications = list(cells())
        self.assertTrue(specifications, f"no practice kernels in {IMAGES}")
        with concurrent.futures.ProcessPoolExecutor(AT_ONCE) as pool:
            results = []
            for result in pool.map(run_cell, specifications):
                results.append(result)
                print(".", end="", flush=True)
        rows = [row for row, _ in results]
        widths = {column: max(len(column), *(len(str(row[column])) for row in rows)) for column in rows[0]}
        print()
        print(" ".join(column.ljust(width) for column, width in widths.items()))
        print(" ".join("-" * width for width in widths.values()))
        for row in rows:
            print(" ".join(str(row[column]).ljust(width) for column, width in widths.items()).rstrip())
        sys.stdout.flush()
        self.assertEqual([failure for _, failures in results for failure in failures], [])
        self.assertEqual([row for row in rows if any(row[step] != "ok" for step in STEPS)], [])
        # Nothing was left out for want of images.
        self.assertEqual({(row["machine"], row["era"]) for row in rows}, set(WINDOWS_SIZES))


if __name__ == "__main__":
    unittest.main()
