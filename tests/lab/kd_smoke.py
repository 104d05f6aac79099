#!/usr/bin/env python3
"""Boots the practice machine in QEMU and checks its KD target side by hand-made requests: kd_smoke.py OUTDIR [--kd virtio|com1]

OUTDIR is the folder that lab/build filled. Prints one line per check and the speed of the pipe; exits 1 at the first failure.
The client here is minimal on purpose and shares nothing with the debugger.
"""

import argparse
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

from processor import processor_of

INITIAL, SYNC = 0x80800000, 0x800
MANIPULATE, DEBUG_IO, ACK, RESEND, RESET, STATE_CHANGE = 2, 3, 4, 5, 6, 7
READ, WRITE, GET_CONTEXT, SET_CONTEXT, WRITE_BP, RESTORE_BP = 0x3130, 0x3131, 0x3132, 0x3133, 0x3134, 0x3135
READ_CONTROL, WRITE_CONTROL, REBOOT, CONTINUE2, READ_PHYSICAL = 0x3137, 0x3138, 0x313B, 0x313C, 0x313D
GET_VERSION, BUGCHECK, READ_MSR, SEARCH, QUERY, GET_CONTEXT_EX, SET_CONTEXT_EX = \
    0x3146, 0x3149, 0x3152, 0x3156, 0x315C, 0x315F, 0x3160
EXCEPTION, LOAD_SYMBOLS = 0x3030, 0x3031
BREAKPOINT, SINGLE_STEP = 0x80000003, 0x80000004
LARGEST = 3944
SHARED_TICK_COUNT = 0x320  # in KUSER_SHARED_DATA


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)
    print(f"ok   {text}", flush=True)


class Link:
    """Frames, ids and acknowledgements over a socket."""

    def __init__(self, path):
        deadline = time.monotonic() + 10
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        self.buffer = bytearray()
        self.tx, self.rx = INITIAL, None
        self.sent = self.received = self.repeats = self.resends = 0
        self.acknowledge = True
        self.first_id = None

    def send_bytes(self, data):
        self.sent += len(data)
        self.socket.sendall(data)

    def send_control(self, kind, number=0):
        self.send_bytes(b"iiii" + struct.pack("<HHII", kind, 0, number, 0))

    def fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            return False
        data = self.socket.recv(65536)
        if not data:
            raise Failure("the pipe was closed")
        self.received += len(data)
        self.buffer += data
        return True

    def frame(self, timeout):
        """The next frame as (leader, type, id, payload), or None."""
        deadline = time.monotonic() + timeout
        while True:
            while len(self.buffer) >= 16:
                leader = bytes(self.buffer[:4])
                if leader not in (b"0000", b"iiii"):
                    del self.buffer[0]
                    continue
                kind, count, number, total = struct.unpack_from("<HHII", self.buffer, 4)
                if leader == b"iiii":
                    del self.buffer[:16]
                    return leader, kind, number, b""
                if len(self.buffer) < 17 + count:
                    break
                payload = bytes(self.buffer[16:16 + count])
                if self.buffer[16 + count] != 0xAA or sum(payload) & 0xFFFFFFFF != total:
                    raise Failure("a damaged packet")
                del self.buffer[:17 + count]
                return leader, kind, number, payload
            if not self.fill(deadline):
                return None

    def packet(self, timeout=30):
        """The next new data packet as (type, payload, id); acknowledged unless told otherwise."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.frame(max(0, deadline - time.monotonic()))
            if frame is None:
                return None
            leader, kind, number, payload = frame
            if leader == b"iiii":
                if kind == RESEND:
                    self.resends += 1
                continue
            self.first_id = self.first_id or number
            if self.acknowledge:
                self.send_control(ACK, number & ~SYNC)
            if number & SYNC:
                self.rx, self.tx = (number & ~SYNC) ^ 1, INITIAL
            elif self.rx is not None and number != self.rx:
                self.repeats += 1
                continue
            else:
                self.rx = number ^ 1
            return kind, payload, number

    def send(self, kind, payload, timeout=30):
        data = b"0000" + struct.pack("<HHII", kind, len(payload), self.tx, sum(payload) & 0xFFFFFFFF) + payload + b"\xAA"
        self.send_bytes(data)
        deadline = time.monotonic() + timeout
        while True:
            frame = self.frame(max(0, deadline - time.monotonic()))
            if frame is None:
                raise Failure("no acknowledgement")
            leader, kind, number, _ = frame
            if leader == b"iiii" and kind == RESEND:
                self.resends += 1
                self.send_bytes(data)
            elif leader == b"iiii" and kind == ACK and number == self.tx:
                self.tx ^= 1
                return

    def reset(self, attempts=5):
        """Restarts both streams of a stopped target; the state change that it repeats. A RESET may be lost: the target takes its
        first bytes for the rest of a packet that was cut off when another client went away. And a target that waits for the
        acknowledgement of an answer repeats that instead: only the next RESET brings the state change."""
        for _ in range(attempts):
            self.send_control(RESET)
            self.tx, self.rx = INITIAL, INITIAL
            deadline = time.monotonic() + 2
            while True:
                frame = self.frame(max(0, deadline - time.monotonic()))
                if frame is None:
                    break
                if frame[0] == b"iiii" and frame[1] == RESET:
                    packet = self.packet()
                    if packet is not None and packet[0] == STATE_CHANGE:
                        return packet
                    break
        raise Failure("no answer to RESET")


class Target:
    def __init__(self, link, processor):
        self.link, self.processor = link, processor
        self.prints, self.loads, self.state = [], [], b""

    def request(self, api, fields=b"", data=b"", number=None):
        """A request about a processor; the one that reported the last stop when none is named."""
        if number is None:
            number = struct.unpack_from("<H", self.state, 6)[0] if self.state else 0
        body = struct.pack("<IHHII", api, 0, number, 0x103, 0) + fields
        self.link.send(MANIPULATE, body.ljust(56, b"\0") + data)
        while True:
            packet = self.link.packet()
            if packet is None:
                raise Failure(f"no answer to {api:x}")
            kind, payload, _ = packet
            if kind == MANIPULATE:
                if struct.unpack_from("<I", payload)[0] != api:
                    raise Failure(f"the answer to {api:x} is another's")
                return struct.unpack_from("<I", payload, 8)[0], payload[16:56], payload[56:]
            self.note(kind, payload)

    def note(self, kind, payload):
        if kind == DEBUG_IO:
            self.prints.append(payload[16:].decode("latin-1"))

    def read(self, address, count, physical=False):
        status, fields, data = self.request(READ_PHYSICAL if physical else READ, struct.pack("<QIII", address, count, 0, 0))
        return status, data

    def must_read(self, address, count):
        status, data = self.read(address, count)
        if status != 0 or len(data) != count:
            raise Failure(f"reading {count} bytes at {address:x}: status {status:x}, {len(data)} bytes")
        return data

    def pointer(self, address):
        return self.processor.unpack(self.must_read(address, self.processor.pointer))

    def write(self, address, data):
        return self.request(WRITE, struct.pack("<QII", address, len(data), 0), data)[0]

    def set_pc(self, pc):
        at, size = self.processor.context_pc, self.processor.pointer
        value = self.processor.narrow(pc).to_bytes(size, "little")
        if self.request(GET_CONTEXT_EX, struct.pack("<III", at, size, 0))[0] == 0:
            status = self.request(SET_CONTEXT_EX, struct.pack("<III", at, size, at + size), value)[0]
        else:
            context = bytearray(self.request(GET_CONTEXT)[2])
            context[at:at + size] = value
            status = self.request(SET_CONTEXT, b"", bytes(context))[0]
        if status != 0:
            raise Failure(f"SetContext: {status:x}")

    def go(self, trace=0, status=0x10001, dr7=0x400):
        control = self.processor.control_set(trace, dr7)
        self.link.send(MANIPULATE, (struct.pack("<IHHIII", CONTINUE2, 0, 0, 0x103, 0, status) + control).ljust(56, b"\0"))

    def go_over(self, **options):
        """Resumes from a compiled-in breakpoint."""
        if self.pc() and self.must_read(self.pc(), 1) == b"\xCC":
            self.set_pc(self.pc() + 1)
        self.go(**options)

    def pc(self):
        return struct.unpack_from("<Q", self.state, 24)[0]

    def stream(self):
        """The instruction bytes that the stop shows."""
        count, = struct.unpack_from("<H", self.state, self.processor.stream_count)
        return self.state[self.processor.stream:self.processor.stream + count]

    def special(self):
        space = struct.pack("<QII", self.processor.special_space, 0x200, 0)
        return self.request(READ_CONTROL, space)[2]

    def set_special(self, data):
        space = struct.pack("<QII", self.processor.special_space, len(data), 0)
        return self.request(WRITE_CONTROL, space, bytes(data))[0]

    def code(self):
        return struct.unpack_from("<I", self.state, 32)[0]

    def wait_stop(self, timeout=60, loads=True):
        """Waits for an exception; prints are kept, image events continued."""
        deadline = time.monotonic() + timeout
        while True:
            packet = self.link.packet(max(0, deadline - time.monotonic()))
            if packet is None:
                raise Failure("the target did not stop")
            kind, payload, number = packet
            if kind != STATE_CHANGE:
                self.note(kind, payload)
                continue
            self.state, self.state_id = payload, number
            if struct.unpack_from("<I", payload)[0] == EXCEPTION:
                return
            length, = struct.unpack_from("<I", payload, 32)
            self.loads.append((payload[240:240 + length].rstrip(b"\0").decode("latin-1"), payload[64]))
            if loads:
                self.go(status=0x10002)


def exports_of(image, processor):
    """Names and relative addresses that a PE image exports."""
    data = pathlib.Path(image).read_bytes()
    pe, = struct.unpack_from("<I", data, 0x3C)
    sections, = struct.unpack_from("<H", data, pe + 6)
    optional, = struct.unpack_from("<H", data, pe + 20)
    table, = struct.unpack_from("<I", data, pe + processor.exports)

    def at(rva):
        for i in range(sections):
            size, start, raw_size, raw = struct.unpack_from("<IIII", data, pe + 24 + optional + 40 * i + 8)
            if start <= rva < start + max(size, raw_size):
                return raw + rva - start
        raise Failure(f"{rva:x} is in no section")

    count, functions, names, ordinals = struct.unpack_from("<IIII", data, at(table) + 24)
    result = {}
    for i in range(count):
        name = at(struct.unpack_from("<I", data, at(names) + 4 * i)[0])
        ordinal, = struct.unpack_from("<H", data, at(ordinals) + 2 * i)
        result[data[name:data.index(b"\0", name)].decode()] = struct.unpack_from("<I", data, at(functions) + 4 * ordinal)[0]
    return result


def check_start(target):
    packet = target.link.packet(15)
    check(packet is not None, "the target speaks")
    check(packet[2] == INITIAL | SYNC, "its first packet carries SYNC")
    if packet[0] == STATE_CHANGE:
        target.state = packet[1]
        check(struct.unpack_from("<I", target.state)[0] == LOAD_SYMBOLS, "the first packet is the load of the kernel")
        target.loads.append((packet[1][240:].rstrip(b"\0").decode("latin-1"), 0))
        target.go(status=0x10002)
    else:
        target.note(packet[0], packet[1])
    target.wait_stop(60)
    print("     prints:", target.prints)
    print("     images:", target.loads)
    check(target.code() == BREAKPOINT, "the initial break")
    check(struct.unpack_from("<HI", target.state, 6) == (0, 1), "processor 0 of 1")
    check(target.stream()[0] == 0xCC, "the instruction stream starts with the breakpoint instruction")
    check(struct.unpack_from("<HH", target.state, target.processor.stream_count) == (16, 3),
          "16 instruction bytes, kernel code selector")


def layout_offsets(out):
    """Offsets of the kernel's structures in this build, as it gives them to its own assembler."""
    lines = (line.split() for line in (out / "gen" / "nt_layout_asm.h").read_text().splitlines())
    return {words[1]: int(words[2], 16) for words in lines if words[:1] == ["#define"] and len(words) == 3}


def loader_entry(offsets):
    """What the members of the module list's records are called here: Windows 7 has only the user-mode name."""
    names = ("_KLDR_DATA_TABLE_ENTRY_", "_LDR_DATA_TABLE_ENTRY_")
    return next(name for name in names if name + "DllBase" in offsets)


def check_requests(target, offsets):
    processor = target.processor
    status, fields, _ = target.request(GET_VERSION)
    base, modules, data_list = struct.unpack_from("<QQQ", fields, 16)
    check(status == 0 and struct.unpack_from("<H", fields, 8)[0] == target.processor.machine, f"GetVersion: kernel at {base:x}")
    check(target.must_read(base, 2) == b"MZ", "the kernel's image is readable")
    kdbg = target.pointer(data_list)
    check(target.must_read(kdbg + 0x10, 4) == b"KDBG", f"data block at {kdbg:x}")
    link, names, entry = target.pointer(modules), [], loader_entry(offsets)
    while link != processor.narrow(modules) and len(names) < 100:
        name = link - offsets[entry + "InLoadOrderLinks"] + offsets[entry + "BaseDllName"]
        length, = struct.unpack("<H", target.must_read(name, 2))
        names.append(target.must_read(target.pointer(name + processor.pointer), length).decode("utf-16le"))
        link = target.pointer(link)
    check(names and names[0].lower() == "ntoskrnl.exe", f"modules: {' '.join(names)}")
    status, fields, data = target.request(GET_CONTEXT)
    check(len(data) == processor.context_size and processor.wide(processor.unpack(data, processor.context_pc)) == target.pc(),
          "GetContext: the program counter is the reported one")
    special = target.special()
    cr3 = processor.unpack(special, processor.special_cr3)
    check(len(special) == processor.special_size and cr3 != 0, f"special registers: CR3 {cr3:x}")
    check(target.set_special(special) == 0, "special registers are written back")
    (check_control_x64 if processor.name == "x64" else check_control_x86)(target, kdbg)
    check(target.request(0x3151)[0] == 0xC0000001, "an unknown request fails")
    check(target.read(0x10, 16) == (0xC0000001, b""), "an unmapped address gives nothing")
    status, data = target.read(processor.shared_data + 0xFF0, 64)
    check(status == 0xC0000001 and len(data) == 16, "a read into an unmapped page gives what comes before it")
    status, table = target.read(cr3 & ~0xFFF, 0x1000, physical=True)
    check(status == 0 and len(table) == LARGEST, "physical reads; the largest piece is 3944 bytes")
    check(target.read(1 << 40, 16, physical=True)[0] == 0xC0000001, "physical memory ends")
    status, fields, _ = target.request(QUERY, struct.pack("<QQII", base + 0x1000, 0, 0, 0))
    check(status == 0 and struct.unpack_from("<II", fields, 16) == (2, 5), "the kernel's code is readable and executable only")
    check(target.write(base + 0x1000, target.must_read(base + 0x1000, 4)) == 0, "and written through its protection")
    status, fields, _ = target.request(SEARCH, struct.pack("<QQI", base, 0x400, 4), b"PE\0\0")
    check(status == 0, f"SearchMemory finds the PE header at +{struct.unpack_from('<Q', fields)[0] - base:x}")
    return base


def check_control_x64(target, _):
    """The control spaces that are addresses."""
    pcr, prcb, thread = (struct.unpack("<Q", target.request(READ_CONTROL, struct.pack("<QII", n, 8, 0))[2])[0] for n in (0, 1, 3))
    check(target.pointer(pcr + 0x18) == pcr and target.pointer(pcr + 0x20) == prcb, f"KPCR {pcr:x} names itself and its KPRCB")
    check(target.pointer(prcb + 8) == thread == struct.unpack_from("<Q", target.state, 16)[0], f"current thread {thread:x}")
    gs_base = target.request(READ_MSR, struct.pack("<III", 0xC0000101, 0, 0))[1]
    check(struct.unpack_from("<Q", gs_base, 4)[0] == pcr, "the GS base register holds the KPCR")


def check_control_x86(target, kdbg):
    """Control space is KPROCESSOR_STATE, by offset. The control region is found by the list of processor blocks."""
    def space(offset, count):
        status, fields, data = target.request(READ_CONTROL, struct.pack("<QII", offset, count, 0))
        return status, data

    context = target.request(GET_CONTEXT)[2]
    check(space(0, 0x2CC) == (0, context), "control space begins with the CONTEXT")
    check(space(0x2C8, 8) == (0, context[-4:] + target.special()[:4]), "and goes on with the special registers")
    check(space(0x318, 0x100)[1] == target.special()[-8:] and space(0x320, 4)[0] == 0xC0000001, "and ends at 320h")
    prcb = target.pointer(target.pointer(kdbg + 0x218))
    pcr = prcb - 0x120
    check(target.pointer(pcr + 0x1C) == pcr and target.pointer(pcr + 0x20) == prcb, f"KPCR {pcr:x} names itself and its KPRCB")
    thread, = struct.unpack_from("<Q", target.state, 16)
    check(target.processor.wide(target.pointer(prcb + 4)) == thread, f"current thread {thread:x}, sign-extended")
    gdt, fs = target.pointer(pcr + 0x3C), struct.unpack_from("<I", context, 0x90)[0]
    entry = target.must_read(gdt + fs, 8)
    check(fs == 0x30 and entry[2:5] + entry[7:8] == pcr.to_bytes(4, "little"), "fs holds the KPCR")


def check_link(target):
    state = target.state
    kind, payload, number = target.link.reset()
    check(kind == STATE_CHANGE and number == INITIAL and payload[:240] == state[:240], "RESET repeats the stop with the first id")
    check(target.request(GET_VERSION)[0] == 0, "and requests are served from the first id")
    target.link.send_bytes(b"b")
    kind, payload, number = target.link.packet()
    check(kind == STATE_CHANGE, "a break-in byte to a stopped target repeats the stop")
    target.link.send_bytes(b"0000\x02\x00\x38\x00" + bytes(8) + b"F1" + bytes(54) + b"\xAA")
    before = target.link.resends
    check(target.link.packet(0.5) is None and target.link.resends == before + 1, "a wrong checksum is answered by RESEND")
    target.link.acknowledge = False
    target.link.send(MANIPULATE, struct.pack("<IHHII", GET_VERSION, 0, 0, 0x103, 0).ljust(56, b"\0"))
    first = target.link.frame(2)
    started = time.monotonic()
    second = target.link.frame(3)
    took = time.monotonic() - started
    check(first == second, f"an unacknowledged answer is repeated, after {took * 1000:.0f} ms")
    target.link.acknowledge = True
    target.link.send_control(ACK, second[2])
    target.link.rx ^= 1
    while target.link.packet(0.3) is not None:
        pass


def check_running(target, base, image):
    # The break-in byte of check_link is pending: one stop more follows.
    target.go_over()
    target.wait_stop()
    check(target.code() == BREAKPOINT, "the break-in that was pending stops the target again")
    target.go_over()
    time.sleep(0.3)
    started = time.monotonic()
    target.link.send_bytes(b"b")
    target.wait_stop()
    check(target.stream()[0] == 0xCC, f"break-in stops the running target after {(time.monotonic() - started) * 1000:.0f} ms")

    address = base + exports_of(image, target.processor)["KeDelayExecutionThread"]
    original = target.must_read(address, 16)
    status, fields, _ = target.request(WRITE_BP, struct.pack("<QI", address, 0))
    handle, = struct.unpack_from("<I", fields, 8)
    check(status == 0 and handle != 0 and target.must_read(address, 1) == b"\xCC", "a breakpoint is planted")
    check(target.request(WRITE_BP, struct.pack("<QI", address, 0))[0] == 0xC0000001, "only once")
    target.go_over()
    target.wait_stop()
    check(target.pc() == address and target.code() == BREAKPOINT, "it is hit, with the program counter at its address")
    check(target.stream() == original, "the stop shows the instructions without it")
    check(target.request(RESTORE_BP, struct.pack("<I", handle))[0] == 0xC0000001, "and has deleted it")
    target.go(trace=1)
    target.wait_stop()
    check(target.code() == SINGLE_STEP and address < target.pc() <= address + 16, f"a step goes to +{target.pc() - address:x}")

    special, processor = bytearray(target.special()), target.processor
    ticks = (processor.shared_data + SHARED_TICK_COUNT).to_bytes(processor.pointer, "little")
    special[processor.special_dr0:processor.special_dr0 + processor.pointer] = ticks
    target.set_special(special)
    target.go(dr7=0x400 | 0x2 | 0xD << 16)  # four bytes, on write
    target.wait_stop()
    check(target.code() == SINGLE_STEP and target.state[192] & 0xF == 1, "a data breakpoint on the tick count is hit")
    target.go()
    time.sleep(0.2)
    target.link.send_bytes(b"b")
    target.wait_stop()
    check(target.code() == BREAKPOINT, "and stays away with its enable bit cleared")


def measure(target, base, seconds):
    size = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        data = target.must_read(base + size % 0x4000 // LARGEST * LARGEST, LARGEST)
        size += len(data)
    bulk = size / (time.monotonic() - started)
    count = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        target.must_read(base, 8)
        count += 1
    small = (time.monotonic() - started) / count
    print(f"     reads of {LARGEST} bytes: {bulk / 1000:.0f} kB/s; reads of 8 bytes: {small * 1000:.2f} ms each")
    print(f"     sent {target.link.sent}, received {target.link.received}, repeated {target.link.repeats}, resends {target.link.resends}")
    return bulk


def check_reboot(target):
    target.link.send(MANIPULATE, struct.pack("<IHHII", REBOOT, 0, 0, 0x103, 0).ljust(56, b"\0"))
    target.loads, target.prints = [], []
    packet = target.link.packet(15)
    check(packet is not None and packet[2] & SYNC, "Reboot: the machine comes up again and says so by SYNC")
    if packet[0] == STATE_CHANGE:
        target.state = packet[1]
        target.go(status=0x10002)
    target.wait_stop(60)
    check(target.request(GET_VERSION)[0] == 0, "and stops again")


def check_bug_check(target):
    target.link.send(MANIPULATE, struct.pack("<IHHII", BUGCHECK, 0, 0, 0x103, 0).ljust(56, b"\0"))
    target.prints = []
    target.wait_stop(20)
    check(any("Fatal System Error: 0x000000e2" in text for text in target.prints), "CauseBugCheck: the fatal print and a stop")


def check_late(sock, processor):
    """A debugger that comes late, goes without a word and comes again, to a stopped and to a running machine."""
    time.sleep(3)
    target = Target(Link(sock), processor)
    target.wait_stop(10)
    check(target.link.first_id == INITIAL | SYNC, "a debugger that comes late is told of the stop, with SYNC")
    check(target.request(GET_VERSION)[0] == 0, "and is served")
    target.link.socket.close()
    time.sleep(0.2)
    target = Target(Link(sock), processor)
    kind, target.state, number = target.link.reset()
    check(kind == STATE_CHANGE and number == INITIAL, "another one resets the link of the stopped machine")
    check(target.request(GET_VERSION)[0] == 0, "and is served")
    target.go_over()
    target.link.socket.close()
    time.sleep(0.2)
    target = Target(Link(sock), processor)
    time.sleep(0.2)
    target.link.send_bytes(b"b")
    target.wait_stop()
    kind, target.state, number = target.link.reset()
    check(kind == STATE_CHANGE and target.request(GET_VERSION)[0] == 0, "a third one breaks into the running machine")
    target.go_over()


def qemu_command(out, pipe, sock, append, memory, initrd, processors=1):
    command = [*processor_of(out).emulator, "-M", "pc", "-accel", "tcg", "-nodefaults", "-display", "none", "-no-user-config",
               "-m", str(memory), "-smp", str(processors), "-kernel", f"{out}/loader.elf", "-initrd", initrd, "-append", append,
               "-chardev", f"socket,id=kd,path={sock},server=on,wait=on", "-debugcon", "stdio"]
    if pipe == "com1":
        return command + ["-serial", "chardev:kd"]
    return command + ["-device", "virtio-serial-pci,ioeventfd=off", "-device", "virtconsole,chardev=kd"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--kd", choices=("virtio", "com1"), default="virtio")
    parser.add_argument("--append", default="scenario=idle kaslr=off", help="further words of the boot command line")
    parser.add_argument("--memory", type=int, default=128)
    parser.add_argument("--processors", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2, help="length of each measurement")
    parser.add_argument("--late", action="store_true", help="check only that a debugger may come late and come again")
    parser.add_argument("--only-measure", action="store_true", help="skip the checks")
    parser.add_argument("--gdb", help="path of a socket for QEMU's gdbstub")
    options = parser.parse_args()
    out = options.out.resolve()
    processor = processor_of(out)
    initrd = ",".join([str(out / "ntoskrnl.exe")] + sorted(map(str, out.glob("*.sys"))))
    with tempfile.TemporaryDirectory() as folder:
        sock = os.path.join(folder, "kd.sock")
        command = qemu_command(out, options.kd, sock, f"kd={options.kd} {options.append}", options.memory, initrd, options.processors)
        if options.late:
            command = [word.replace("wait=on", "wait=off") for word in command]
        if options.gdb:
            command += ["-gdb", f"unix:{options.gdb},server=on,wait=off"]
        print("     " + " ".join(command), flush=True)
        with open(os.path.join(folder, "console"), "w+b") as console:
            machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            try:
                if options.late:
                    check_late(sock, processor)
                    return 0
                target = Target(Link(sock), processor)
                check_start(target)
                if options.only_measure:
                    measure(target, struct.unpack_from("<Q", target.request(GET_VERSION)[1], 16)[0], options.seconds)
                    return 0
                base = check_requests(target, layout_offsets(out))
                check_link(target)
                check_running(target, base, out / "ntoskrnl.exe")
                measure(target, base, options.seconds)
                check_reboot(target)
                check_bug_check(target)
                return 0
            except (Failure, OSError) as error:
                console.seek(0)
                print(f"FAIL {error}\n     console: {console.read().decode('latin-1')[-2000:]}", flush=True)
                return 1
            finally:
                machine.kill()
                machine.wait()


if __name__ == "__main__":
    sys.exit(main())
