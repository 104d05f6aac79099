#!/usr/bin/env python3
"""Boots the practice machine with two processors and checks them over hand-made KD requests: processors_check.py OUTDIR

OUTDIR is the folder that lab/build filled, for x64. Both processors' blocks and registers, the switch between them and back,
stops on either, steps of either, breakpoints that both run into, hardware breakpoints, tag counters that only the sum of
both processors' tables has right. Shares nothing with the debugger.
"""

import collections
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

import count_blocks
from kd_smoke import (BREAKPOINT, GET_CONTEXT, MANIPULATE, READ_CONTROL, RESTORE_BP, SINGLE_STEP, WRITE_BP,
                      WRITE_CONTROL, Failure, Link, Target, check, layout_offsets, processor_of, qemu_command)
from pool_smoke import ROWS, tag_number

SWITCH = 0x3150
WAKE = 0x80000007
RIP, DR6, DR7 = 0xF8, 0x40, 0x48  # in CONTEXT and KSPECIAL_REGISTERS
FROZEN, OWNER, ACTIVE = 2, 4, 0x20
STOPS = 200


def number(state):
    return struct.unpack_from("<HI", state, 6)


class Machine:
    def __init__(self, target, out, ram):
        self.target, self.offsets = target, layout_offsets(out)
        self.pdb = count_blocks.Pdb(str(out / "ntkrnlmp.pdb"))
        self.memory = count_blocks.Memory(ram, None, self.pdb)
        self.base = self.memory.find_image("ntkrnlmp.pdb")

    def symbol(self, name):
        return self.base + self.pdb.rva(name)

    def context(self, processor):
        status, _, data = self.target.request(GET_CONTEXT, number=processor)
        check_quietly(status == 0 and len(data) == 0x4D0, f"context of processor {processor}: {status:x}")
        return data

    def control(self, processor, space, size=8):
        status, _, data = self.target.request(READ_CONTROL, struct.pack("<QII", space, size, 0), number=processor)
        check_quietly(status == 0, f"control space {space} of processor {processor}: {status:x}")
        return data

    def switch(self, processor):
        body = struct.pack("<IHHII", SWITCH, 0, processor, 0x103, 0)
        self.target.link.send(MANIPULATE, body.ljust(56, b"\0"))
        self.target.wait_stop()

    def prcb(self, processor):
        return self.target.pointer(self.symbol("KiProcessorBlock") + 8 * processor)

    def frozen(self, processor):
        value = self.target.must_read(self.prcb(processor) + self.offsets["_KPRCB_IpiFrozen"], 4)
        return struct.unpack("<I", value)[0]

    def name(self, address):
        """The kernel function at an address."""
        if not hasattr(self, "functions"):
            names = re.findall(r"`(\w+)`\n\s+flags = function.*addr = (\d+):(\d+)", self.pdb.publics)
            self.functions = sorted((self.pdb.sections[int(s) - 1] + int(o), n) for n, s, o in names)
        below = [name for rva, name in self.functions if self.base + rva <= address]
        return below[-1] if below else None


def check_quietly(condition, text):
    if not condition:
        raise Failure(text)


def check_blocks(m):
    check(number(m.target.state) == (0, 2), "processor 0 of 2 makes the initial break")
    check(m.control(0, 1) == struct.pack("<Q", m.prcb(0)) and m.control(1, 1) == struct.pack("<Q", m.prcb(1)),
          "control spaces 1 are the processors' blocks")
    numbers = [struct.unpack("<I", m.target.must_read(m.prcb(i) + m.offsets["_KPRCB_Number"], 4))[0] for i in (0, 1)]
    check(numbers == [0, 1], "which have their numbers")
    check(m.target.request(GET_CONTEXT, number=2)[0] != 0, "there is no third")
    check((m.frozen(0), m.frozen(1)) == (OWNER | ACTIVE, FROZEN), "IpiFrozen: owner and frozen")
    pc = struct.unpack_from("<Q", m.context(1), RIP)[0]
    check(m.name(pc) == "KiIdleLoop", f"the other one is in {m.name(pc)}")
    idle = m.target.pointer(m.prcb(1) + m.offsets["_KPRCB_IdleThread"])
    check(struct.unpack("<Q", m.control(1, 3))[0] == idle, "and runs its idle thread")
    special = m.control(1, 2, 0xF0)
    pcr = struct.unpack("<Q", m.control(1, 0))[0]
    check(struct.unpack_from("<Q", special, 0xA0 + 8)[0] == pcr, "whose GS base is its own control region")


def check_switch(m):
    stopped = m.target.pc()
    m.switch(1)
    check(number(m.target.state) == (1, 2) and m.target.code() == WAKE, "a switch: processor 1 reports 80000007")
    check((m.frozen(0), m.frozen(1)) == (OWNER, FROZEN | ACTIVE), "IpiFrozen: it is the active one")
    check(struct.unpack_from("<Q", m.context(0), RIP)[0] == stopped, "processor 0's context can be read from there")
    m.switch(1)
    check(number(m.target.state) == (1, 2), "a switch to itself: it reports again")
    m.switch(7)
    check(number(m.target.state) == (1, 2), "and so to one that is not there")
    m.switch(0)
    check(number(m.target.state) == (0, 2) and m.target.code() == BREAKPOINT and m.target.pc() == stopped,
          "back: processor 0 reports its stop again")
    m.switch(1)
    m.target.go()
    m.target.wait_stop()
    check(number(m.target.state) == (0, 2) and m.target.pc() == stopped, "a continue of processor 1 gives it back, too")


def check_step_of_the_other(m):
    """KD's way: the trace flag for processor 1, then processor 0 goes."""
    before = struct.unpack_from("<Q", m.context(1), RIP)[0]
    m.switch(1)
    m.target.go(trace=1)
    m.target.wait_stop()
    check(number(m.target.state)[0] == 0, "after the continue of processor 1 processor 0 reports")
    m.target.go_over()
    m.target.wait_stop()
    check(number(m.target.state)[0] == 1 and m.target.code() == SINGLE_STEP, "processor 1 stops after one instruction")
    check(m.target.pc() != before and m.frozen(0) == FROZEN, "and processor 0 stands meanwhile")


def check_break_in(m):
    m.target.go_over()
    time.sleep(0.3)
    m.target.link.send_bytes(b"b")
    m.target.wait_stop()
    while m.target.code() == SINGLE_STEP:  # of a hit that had to wait
        m.target.go()
        m.target.wait_stop()
    check(m.target.code() == BREAKPOINT and number(m.target.state)[0] == 0, "a break-in stops the processor with the clock")


def check_breakpoint(m):
    """A routine that threads of both processors run through."""
    address = m.symbol("KeDelayExecutionThread")
    seen = collections.Counter()
    for _ in range(STOPS):
        status, fields, _ = m.target.request(WRITE_BP, struct.pack("<QI", address, 0))
        check_quietly(status == 0, "a breakpoint can be set")
        m.target.go_over()
        m.target.wait_stop()
        check_quietly(m.target.code() == BREAKPOINT and m.target.pc() == address, f"stop at {m.target.pc():x}")
        seen[number(m.target.state)[0]] += 1
        m.target.go(trace=1)  # off the breakpoint, which this stop took away
        m.target.wait_stop()
        while m.target.code() != SINGLE_STEP:  # the other processor came first
            check_quietly(m.target.pc() == address, f"stop at {m.target.pc():x} during a step")
            m.target.go(trace=0)
            m.target.wait_stop()
    check(len(seen) == 2, f"a breakpoint is met on both: {dict(seen)}")
    m.target.request(RESTORE_BP, fields[8:12])


def check_watch(m):
    """Hardware breakpoints on two counters, armed on both processors: each is written by a thread of one of them."""
    counters = m.symbol("ExpSpinCount")
    for processor in (0, 1):
        special = bytearray(m.control(processor, 2, 0xF0))
        struct.pack_into("<QQ", special, 0x20, counters, counters + 8)
        space = struct.pack("<QII", 2, len(special), 0)
        status = m.target.request(WRITE_CONTROL, space, bytes(special), number=processor)[0]
        check_quietly(status == 0, f"debug registers of processor {processor}")
    seen = collections.Counter()
    for slot, dr7 in ((1, 0x90402), (2, 0x900408)):  # one slot on, for writes of eight bytes
        m.target.go_over(dr7=dr7)
        for stop in range(STOPS):
            m.target.wait_stop()
            processor = number(m.target.state)[0]
            check_quietly(m.target.code() == SINGLE_STEP, f"stop {m.target.code():x}")
            other = m.control(1 - processor, 2, 0xF0)
            check_quietly(struct.unpack_from("<Q", other, DR7)[0] == dr7, "the other one has the same DR7")
            # A continue clears DR6 on all processors, so a hit that had to wait for the other one's stop comes without.
            if struct.unpack_from("<Q", m.target.special(), DR6)[0] & 3 == slot:
                seen[processor, slot] += 1
            if stop + 1 < STOPS:
                m.target.go(dr7=dr7)
    check(len(seen) == 2 and {slot for _, slot in seen} == {1, 2} and {processor for processor, _ in seen} == {0, 1},
          f"writes stop the processor that writes, DR6 tells the slot: {dict(seen)}")


def check_counters(m):
    """Rows of the page scenario are right in sum; one processor's share of them is not."""
    sums = count_blocks.tracker_sums(m.memory, m.pdb, m.base)
    for tag, row in ROWS.items():
        check_quietly(sums[tag_number(tag), "Paged"] == row, f"'{tag}': {sums[tag_number(tag), 'Paged']} is not {row}")
    check(True, "tag counters at the initial break, summed over both tables")


def check_shares(m):
    found, _ = count_blocks.live_blocks(m.memory, m.pdb, m.base)
    sums = count_blocks.tracker_sums(m.memory, m.pdb, m.base)
    for (tag, pool), blocks in found.items():
        live, size = sums.get((tag, pool), (0, 0))
        # Either processor may have been stopped with a block that is taken and not counted yet, or the other way round.
        same = live == len(blocks) and size == sum(blocks)
        if struct.pack("<I", tag) != b"Pool" and not same and abs(live - len(blocks)) != 1:
            check(False, f"{struct.pack('<I', tag)} {pool}: {len(blocks)} {sum(blocks)}, counted {live} {size}")
    tables = [m.target.pointer(m.symbol("ExPoolTagTables") + 8 * i) for i in (0, 1)]
    check(tables[1] not in (0, tables[0]), "each processor has a table of its own")
    fields, stride = m.pdb.struct("_POOL_TRACKER_TABLE")
    size = m.target.pointer(m.symbol("PoolTrackTableSize"))
    data = m.memory.read(tables[1], size * stride)

    def value(offset, name):
        return count_blocks.field(data, offset, fields[name])

    used = [offset for offset in range(0, len(data), stride) if value(offset, "Key")]
    negative = [offset for offset in used
                if any(value(offset, pool + "Allocs") < value(offset, pool + "Frees") for pool in ("Paged", "NonPaged"))]
    check(used, f"sums are the blocks; {len(used)} tags met processor 1, {len(negative)} of them with more frees")


def check_hit_tag(m):
    check(m.target.write(m.symbol("PoolHitTag"), struct.pack("<I", tag_number("Abc "))) == 0, "PoolHitTag = 'Abc '")
    seen = collections.Counter()
    for _ in range(STOPS):
        m.target.go_over()
        m.target.wait_stop()
        check_quietly(m.target.pc() == m.symbol("DbgBreakPoint"), f"stop at {m.target.pc():x}")
        seen[number(m.target.state)[0]] += 1
    check(len(seen) == 2, f"the tag is met on both: {dict(seen)}")
    m.target.write(m.symbol("PoolHitTag"), bytes(4))
    m.target.go_over()
    time.sleep(0.5)
    m.target.link.send_bytes(b"b")
    m.target.wait_stop()


def start(out, folder, append):
    sock, ram = folder / "kd.sock", folder / "ram"
    initrd = ",".join([str(out / "ntoskrnl.exe")] + sorted(map(str, out.glob("*.sys"))))
    command = qemu_command(out, "virtio", sock, f"kd=virtio {append}", 128, initrd, 2)
    command += ["-object", f"memory-backend-file,id=ram,size=128M,mem-path={ram},share=on"]
    command[command.index("pc")] = "pc,memory-backend=ram"
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(out, append, *checks):
    print(f"     {append}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        qemu = start(out, folder, append)
        try:
            target = Target(Link(str(folder / "kd.sock")), processor_of(out))
            check_start_of_two(target)
            machine = Machine(target, out, folder / "ram")
            for step in checks:
                step(machine)
        finally:
            qemu.kill()
            qemu.wait()


def check_start_of_two(target):
    packet = target.link.packet(15)
    check_quietly(packet is not None, "the target speaks")
    target.state = packet[1]
    target.go(status=0x10002)
    target.wait_stop(60)


def main():
    out = pathlib.Path(sys.argv[1]).resolve()
    try:
        run(out, "scenario=idle", check_blocks, check_switch, check_step_of_the_other, check_break_in, check_breakpoint,
            check_break_in)
        run(out, "scenario=page kaslr=on", check_counters, check_hit_tag, check_shares)
        run(out, "scenario=idle spin=on", check_watch, check_break_in)
    except (Failure, OSError) as error:
        print(f"FAIL {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
