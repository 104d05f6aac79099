"""What poolkd answers on forged images of Windows' layouts, compared number by number with what the forge put there.

One table comes out of it: layouts by containers. Where ../shared/data is there, images of its whole tables are in it as well.
"""

import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

FORGE = pathlib.Path(__file__).resolve().parents[2] / "forge"
sys.path.insert(0, str(FORGE))
sys.path.append(str(FORGE.parent / "docs"))
import containers  # noqa: E402
import sources  # noqa: E402
import support_table  # noqa: E402
import tables  # noqa: E402
from machine import Machine  # noqa: E402

POOLKD = os.environ["POOLKD"]
SHARED = pathlib.Path(os.environ.get("POOLKD_SHARED_DATA", FORGE.parents[1] / "shared" / "data"))
SEED = int(os.environ.get("POOLKD_FORGE_SEED", "1"))
LIMIT = 120  # seconds for one debugger
CONTAINERS = ("full.dmp", "bitmap.dmp", "core.elf", "ram.lime", "memory.raw")
SHOWN = {"full.dmp": "complete dump", "bitmap.dmp": "bitmap dump", "core.elf": "ELF core", "ram.lime": "LiME", "memory.raw": "raw memory"}
ENUMERATION = "!poolfind * -nonpaged -paged"


def number(text):
    return int(text.replace("`", ""), 16)


def answers_of(image, symbols, commands):
    """Of each command, as JSON."""
    script = "; ".join(f"{command} --json" for command in commands)
    home = str(symbols.parent)
    environment = dict(os.environ, HOME=home, XDG_STATE_HOME=home, XDG_CACHE_HOME=home)
    for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH", "_NT_DEBUG_PORT"):
        environment.pop(name, None)
    result = subprocess.run([POOLKD, "-z", str(image), "-y", str(symbols), "-c", f"{script}; q"], env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT)
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    if len(lines) != len(commands):
        raise AssertionError(f"{len(lines)} answers to {len(commands)} commands:\n{result.stdout[-2000:]}")
    return dict(zip(commands, map(json.loads, lines)))


def block_key(block):
    return (number(block["address"]), number(block["body"]), block["size"], block["allocated"], block["pool"], block["big"],
            block["protected"], block["tag"])


class Expected:
    """What the commands must answer, from a forged state."""

    def __init__(self, state, chooser):
        self.state = state
        self.probes = {}  # address to ask for: block that holds it
        for blocks in ([b for b in state["blocks"] if b["big"]], [b for b in state["blocks"] if not b["big"]]):
            for block in chooser.sample(blocks, min(2, len(blocks))):
                self.probes[number(block["address"]) + chooser.randrange(block["size"])] = block
        self.in_both = [row for row in state["tags"] if not row["overflow"]]
        self.find = chooser.sample(self.in_both, 4)

    def commands(self):
        tags = " ".join(f"{row['value']:#x}" for row in self.find)
        return ["lm", "!poolused 1", f"!poolfind {tags} 0", f"!poolfind {tags} 1", ENUMERATION, "!process 0 0",
                *(f"!pool {address:#x}" for address in self.probes)]

    def differences(self, answers):
        for command, answer in answers.items():
            word = command.split()[0]
            check = {"lm": self.modules, "!poolused": self.usage, "!process": self.processes, "!pool": self.pool}.get(word)
            if word == "!poolfind":
                check = self.enumeration if command == ENUMERATION else self.found
            yield from (f"{command}: {difference}" for difference in check(command, answer))

    def modules(self, _, answer):
        fields = ("name", "image", "path", "size", "timestamp")
        said = [(*(m[field] for field in fields), number(m["base"]), number(m["end"])) for m in answer["modules"]]
        true = [(*(m[field] for field in fields), number(m["base"]), number(m["end"])) for m in self.state["modules"]]
        if said != true:
            yield f"{said} instead of {true}"

    def usage(self, _, answer):
        if not answer["coverage"]["complete"]:
            yield f"incomplete: {answer['coverage']}"
        said = {(row["value"], row["overflow"]): (row["nonpaged"], row["paged"]) for row in answer["tags"]}
        true = {(row["value"], row["overflow"]): (row["nonpaged"], row["paged"]) for row in self.state["tags"]}
        for key in sorted(said.keys() | true.keys()):
            if said.get(key) != true.get(key):
                yield f"tag {key[0]:#x}: {said.get(key)} instead of {true.get(key)}"
        if answer["total"] != self.state["total"]:
            yield f"total {answer['total']} instead of {self.state['total']}"

    def compare_blocks(self, said, true):
        said, true = {block_key(block) for block in said}, {block_key(block) for block in true}
        for what, blocks in (("not found", true - said), ("not there", said - true)):
            if blocks:
                yield f"{len(blocks)} blocks {what}, such as {min(blocks)}"

    def found(self, command, answer):
        pool = "paged" if command.endswith("1") else "nonpaged"
        values = [row["value"] for row in self.find]
        true = [block for block in self.state["blocks"] if block["pool"] == pool and block["value"] in values]
        yield from self.compare_blocks(answer["blocks"], true)
        for row, said in zip(self.find, answer["tags"]):
            own = [block for block in true if block["value"] == row["value"]]
            busy = [block for block in own if block["allocated"]]
            expected = (len(busy), sum(block["size"] for block in busy), len(own) - len(busy), row[pool]["outstanding"], row[pool]["bytes"])
            told = tuple(said.get(name) for name in ("blocks", "bytes", "free_blocks", "counted_blocks", "counted_bytes"))
            if told != expected:
                yield f"tag {row['value']:#x}: {told} instead of {expected}"
        if answer["heap_backed"] == self.state["has_small_blocks"]:
            yield "segment heap or not"

    def enumeration(self, _, answer):
        yield from self.compare_blocks(answer["blocks"], self.state["blocks"])

    def pool(self, command, answer):
        address = int(command.split()[1], 16)
        block = self.probes[address]
        if answer["region"] != ("Paged pool" if block["pool"] == "paged" else "Nonpaged pool"):
            yield f"region {answer['region']}"
        said = answer["blocks"]
        page = address & -0x1000
        true = [block] if block["big"] else [b for b in self.state["blocks"] if not b["big"] and number(b["address"]) & -0x1000 == page]
        # The kind of a small block is told by its header, which says nothing of it when it is free.
        yield from self.compare_blocks([dict(b, pool=block["pool"]) for b in said], true)
        holders = [number(b["address"]) for b in said if b.get("holds_address", b["big"])]
        if holders != [number(block["address"])]:
            yield f"held by {[hex(holder) for holder in holders]}"

    def processes(self, _, answer):
        def key(process):
            return process["id"], process["parent_id"], process["name"], number(process["address"]), number(process["directory_base"])
        said, true = [key(p) for p in answer["processes"]], [key(p) for p in self.state["processes"]]
        if said != true:
            yield f"{said} instead of {true}"


def encoded(container):
    """In a machine that nobody debugs the block is encoded; the crash of one decodes it."""
    return container.endswith(".raw")


def check_layout(name, table_arguments, chosen):
    """Rows of the table: for each container what was wrong. And whether small blocks have headers."""
    isf, build = sources.table_of(*table_arguments)
    table = tables.Table(isf, name)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="poolkd-forge-"))
    results = {}
    try:
        symbols = folder / "symbols"
        tables.write_for_symbol_path(isf, symbols)
        machines = {}
        for container in chosen:
            key = encoded(container)
            if key not in machines:
                machine = Machine(table, build, random.Random(f"{SEED} {name} {key}"), encoded=key, blocks_wanted=600)
                machines[key] = machine, Expected(machine.state, random.Random(SEED))
            machine, expected = machines[key]
            image = folder / container
            containers.write(image, machine, bitmap=container.startswith("bitmap"))
            try:
                results[container] = list(expected.differences(answers_of(image, symbols, expected.commands())))
            except (AssertionError, KeyError, subprocess.TimeoutExpired) as error:
                results[container] = [f"{type(error).__name__}: {error}"]
            image.unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return name, results, machine.state["has_small_blocks"]


def tables_of_support(results):
    """Of the kernels whose facts are part of the project: what was asked of each container, and how much of the pool was there."""
    own = [(name, row, small) for name, row, small in results if name in sources.facts()]
    questions = ("lm", "!poolused", "!poolfind", "!pool", "!process")

    def right(question, container):
        return sum(not any(problem.split()[0].rstrip(":") == question for problem in row[container]) for _, row, _ in own)
    asked = {question: {SHOWN[container]: f"{right(question, container)} of {len(own)}" for container in CONTAINERS} for question in questions}
    kernels = {name: {"pool": "all blocks" if small else "counters, large allocations",
                      **{SHOWN[container]: "wrong" if row[container] else "right" for container in CONTAINERS}} for name, row, small in own}
    shown = [SHOWN[container] for container in CONTAINERS]
    return {"questions": support_table.table("question", shown, {f"`{question}`": cells for question, cells in asked.items()}),
            "kernels": support_table.table("kernel", ["pool", *shown], kernels)}


def layouts():
    """Name, table, containers. All containers with the facts of the project; whole tables in one, since they hold the same."""
    rows = [(name, (name, None, None), CONTAINERS) for name in sources.facts()]
    for path in sorted(SHARED.glob("isf/ntkrnlmp.pdb/*.json.xz")):
        rows.append((f"ISF {path.name[:8]}", (None, path, None), CONTAINERS[2:3]))
    for path in sorted(SHARED.glob("layouts/*.h.xz")):
        rows.append((f"header {path.name.removesuffix('.h.xz')}", (None, None, path), CONTAINERS[:1]))
    return rows


def shown(problems):
    """A few of each image's: one mistake makes many."""
    last, count = None, 0
    for problem in problems:
        image = problem.split(":")[0]
        count = count + 1 if image == last else 1
        last = image
        if count <= 3:
            yield problem[:600]


class ForgeTable(unittest.TestCase):
    def test_every_layout_in_every_container(self):
        with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(check_layout, *zip(*layouts())))
        print("\n" + " " * 30 + "".join(f"{container:>12}" for container in CONTAINERS))
        problems = []
        for name, row, _ in results:
            cells = ("" if container not in row else "WRONG" if row[container] else "right" for container in CONTAINERS)
            print(f"{name:30}" + "".join(f"{cell:>12}" for cell in cells))
            problems += [f"{name}, {container}: {problem}" for container, found in row.items() for problem in found]
        if not any(SHARED.glob("isf/ntkrnlmp.pdb/*")):
            print(f"Whole tables were not there: {SHARED}")
        self.assertFalse(problems, "\n" + "\n".join(shown(problems)))
        for name, table in tables_of_support(results).items():
            self.assertIsNone(support_table.difference(name, table))


if __name__ == "__main__":
    unittest.main()
