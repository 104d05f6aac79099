#!/usr/bin/env python3
"""Boots the practice machine and checks its pool over hand-made KD requests and its shared memory: pool_smoke.py OUTDIR

OUTDIR is the folder that lab/build filled. The rows of the scenario `page`, the stops at PoolHitTag, counters that agree
after running, and the stop of the machine at a free with the wrong tag. Shares nothing with the debugger.
"""

import collections
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import count_blocks
from kd_smoke import BREAKPOINT, GET_CONTEXT, Link, Target, check, check_start
from processor import processor_of

ROWS = {"Abc ": (36405, 33930272), "Tron": (552, 7863232), "IoN7": (10939, 998432), "Gla5": (2222, 924352), "Ggb ": (22, 828384)}
STOPS = 240


def tag_number(text):
    return struct.unpack("<I", text.encode())[0]


def start_machine(out, folder):
    drivers = ",".join(path.name for path in sorted(out.glob("*.sys")))
    ram = folder / "ram"
    return subprocess.Popen(
        [*processor_of(out).emulator, "-M", "pc,memory-backend=ram", "-accel", "tcg", "-nodefaults", "-display", "none",
         "-no-user-config", "-m", "128", "-object", f"memory-backend-file,id=ram,size=128M,mem-path={ram},share=on",
         "-kernel", "loader.elf", "-initrd", "ntoskrnl.exe," + drivers, "-append", "kd=virtio scenario=page kaslr=on",
         "-chardev", f"socket,id=kd,path={folder}/kd.sock,server=on,wait=off", "-device", "virtio-serial-pci,disable-modern=on",
         "-device", "virtconsole,chardev=kd"],
        cwd=out, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Machine:
    def __init__(self, out, folder, target):
        self.target = target
        files = {"nt": next(out.glob("ntk*.pdb")), "leaky": out / "leaky.pdb"}
        self.pdbs = {name: count_blocks.Pdb(str(path)) for name, path in files.items()}
        self.memory = count_blocks.Memory(folder / "ram", None, self.pdbs["nt"])
        self.bases = {name: self.memory.find_image(path.name) for name, path in files.items()}

    def address(self, module, symbol):
        return self.bases[module] + self.pdbs[module].rva(symbol)

    def counter(self, symbol):
        return struct.unpack("<Q", self.target.must_read(self.address("leaky", symbol), 8))[0]

    def pool(self):
        arguments = self.memory, self.pdbs["nt"], self.bases["nt"]
        return count_blocks.live_blocks(*arguments)[0], count_blocks.tracker_sums(*arguments)

    def set_hit_tag(self, value):
        check(self.target.write(self.address("nt", "PoolHitTag"), struct.pack("<I", value)) == 0, f"PoolHitTag = {value:x}")

    def function_at(self, module, address, names):
        """The function of the given ones with the nearest start below an address."""
        starts = [(self.address(module, name), name) for name in names]
        below = [pair for pair in starts if pair[0] <= address]
        return max(below)[1] if below else None


def check_rows(machine):
    found, sums = machine.pool()
    for tag, row in ROWS.items():
        sizes = found[tag_number(tag), "Paged"]
        check((len(sizes), sum(sizes)) == row and sums[tag_number(tag), "Paged"] == row, f"'{tag}' {row[0]} {row[1]}")
    check(sums[tag_number("Gla5"), "NonPaged"] == (1, 128), "'Gla5' nonpaged 1 128")
    more = [tag for (tag, pool), (_, size) in sums.items() if pool == "Paged" and size >= ROWS["Ggb "][1]]
    check(len(more) == len(ROWS), "nobody else holds more paged pool than 'Ggb '")


def is_behind_call(target, address):
    """Whether the instruction before it is a call: an interrupt may have left any other address on the stack."""
    before = target.read(address - 6, 6)[1]
    return before[:2] == b"\xff\x15" or before[1] == 0xE8


def check_hit_tag(machine):
    """Each stop must lie in DbgBreakPoint, called by one of the two allocator routines, called by the driver."""
    target, processor = machine.target, machine.target.processor
    machine.set_hit_tag(tag_number("Abc "))
    sites = collections.Counter()
    start = time.monotonic()
    for _ in range(STOPS):
        target.go_over()
        target.wait_stop()
        if target.code() != BREAKPOINT or processor.narrow(target.pc()) != machine.address("nt", "DbgBreakPoint"):
            check(False, f"stop at {target.pc():x}")
        stack = processor.unpack(target.request(GET_CONTEXT)[2], processor.context_sp)
        data = target.read(stack, 512)[1]  # the end of the stack may be near
        words = [processor.unpack(data, at) for at in range(0, len(data) - processor.pointer + 1, processor.pointer)]
        routine = machine.function_at("nt", words[0], ("ExAllocatePoolWithTag", "ExFreePoolWithTag", "ExAllocatePool2"))
        code = machine.pdbs["leaky"].sections[:2]  # .text comes first; saved registers may hold addresses of data
        driver = next(word for word in words if code[0] <= word - machine.bases["leaky"] < code[1] and is_behind_call(target, word))
        sites[routine, machine.function_at("leaky", driver, (
            "LeakyBuildReport", "LeakyQueueEvent", "LeakyRetireEvent", "LeakyAllocateBuffer", "LeakyFreeBuffer"))] += 1
    rate = STOPS / (time.monotonic() - start)
    expected = {("ExAllocatePoolWithTag", "LeakyBuildReport"): 2, ("ExAllocatePoolWithTag", "LeakyQueueEvent"): 5,
                ("ExFreePoolWithTag", "LeakyRetireEvent"): 5, ("ExAllocatePoolWithTag", "LeakyAllocateBuffer"): 6,
                ("ExFreePoolWithTag", "LeakyFreeBuffer"): 6}
    if sites != {site: count * STOPS // 24 for site, count in expected.items()}:
        print(sites)
        check(False, "each site stops as often as the driver uses it")
    check(True, f"{STOPS} stops, {rate:.0f} a second")
    machine.set_hit_tag(0)


def check_counters(machine):
    target = machine.target
    target.go_over()
    time.sleep(1)
    target.link.send_bytes(b"b")
    target.wait_stop()
    found, sums = machine.pool()
    abc = tag_number("Abc ")
    blocks, size = sums[abc, "Paged"]
    check((len(found[abc, "Paged"]), sum(found[abc, "Paged"])) == (blocks, size), "blocks found are those counted")
    check(abs(blocks - machine.counter("LeakyLiveBlocks")) <= 1, f"the driver's truth agrees: {blocks} blocks")
    check(machine.counter("LeakyEventBlocks") in (32, 33) and machine.counter("LeakyStreamBlocks") in (32, 33), "two sites balance")
    check(machine.counter("LeakyReportBlocks") > ROWS["Abc "][0] + 100, "and one leaks")


def check_wrong_tag(machine):
    """Frees with another tag than the allocation's: bug check C2, subcode A."""
    target = machine.target
    code = target.must_read(machine.address("leaky", "LeakyFreeBuffer"), 64)
    instruction = b"\xBAAbc " if target.processor.name == "x64" else b"\x68Abc "  # mov edx, push
    tag_at = machine.address("leaky", "LeakyFreeBuffer") + code.index(instruction) + 1
    check(target.write(tag_at, b"Abx ") == 0, "a free site passes another tag")
    target.go_over()
    target.wait_stop()
    pointer = target.processor.pointer
    data = [target.pointer(machine.address("nt", "KiBugcheckData") + pointer * i) for i in range(5)]
    check((data[0], data[1], data[3], data[4]) == (0xC2, 0xA, tag_number("Abc "), tag_number("Abx ")), "bug check C2, subcode A")


def main():
    out = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        machine_process = start_machine(out, folder)
        try:
            target = Target(Link(str(folder / "kd.sock")), processor_of(out))
            check_start(target)
            machine = Machine(out, folder, target)
            check_rows(machine)
            check_hit_tag(machine)
            check_counters(machine)
            check_wrong_tag(machine)
        finally:
            machine_process.kill()
            machine_process.wait()


if __name__ == "__main__":
    main()
