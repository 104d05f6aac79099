#!/usr/bin/env python3
"""Boots the practice machine and checks what its kernel shows a debugger: kernel_check.py OUTDIR [--kd ...] [--append ...]

Lists, address spaces, stacks by unwind data through trap frames, driver load and unload. OUTDIR is the folder that lab/build
filled. Uses the KD client of kd_smoke.py; the unwinder here knows only what the lab's own images contain. Exits 1 at the
first failure.
"""

import argparse
import bisect
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

from kd_smoke import (Failure, Link, Target, BREAKPOINT, GET_CONTEXT, GET_VERSION, LOAD_SYMBOLS, MANIPULATE, REBOOT,
                      SET_CONTEXT, STATE_CHANGE, check, layout_offsets, loader_entry, qemu_command)
from processor import processor_of
from unwind import StackX64, StackX86, pdb_dump

BUILDS = {7: (7601, (6, 1)), 10: (19041, (10, 0)), 11: (22000, (10, 0))}  # by era


def plain(name):
    """A name without what x86 adds to it: _Name, _Name@12, @Name@8."""
    match = re.fullmatch(r"[_@](\w+?)(?:@\d+)?", name)
    return match[1] if match else name


class Image:
    """An image file with the names of its functions."""

    def __init__(self, path, pdb):
        self.data, self.pdb = path.read_bytes(), pdb
        pe, = struct.unpack_from("<I", self.data, 0x3C)
        count, = struct.unpack_from("<H", self.data, pe + 6)
        self.timestamp, = struct.unpack_from("<I", self.data, pe + 8)
        self.size, = struct.unpack_from("<I", self.data, pe + 0x50)
        table = pe + 24 + struct.unpack_from("<H", self.data, pe + 20)[0]
        self.sections = []
        for i in range(count):
            name = self.data[table + 40 * i:table + 40 * i + 8].rstrip(b"\0").decode()
            self.sections.append((name, *struct.unpack_from("<IIII", self.data, table + 40 * i + 8)))
        text = pdb_dump(pdb, "--publics")
        self.symbols = {}
        for name, flags, section, offset in re.findall(r"S_PUB32 \[.*?\] `(.*?)`\s+flags = (.*?), addr = (\d+):(\d+)", text):
            if 1 <= int(section) <= count:
                self.symbols[plain(name)] = (self.sections[int(section) - 1][2] + int(offset), "function" in flags)
        self.functions = sorted((rva, name) for name, (rva, function) in self.symbols.items() if function)

    def at(self, rva, count):
        for _, _, start, raw_size, raw in self.sections:
            if start <= rva < start + raw_size:
                return self.data[raw + rva - start:raw + rva - start + count]
        raise Failure(f"rva {rva:x} is not in the file")

    def name(self, rva):
        i = bisect.bisect_right(self.functions, (rva, "\x7f")) - 1
        return self.functions[i][1] if i >= 0 else f"+{rva:x}"


class Machine:
    def __init__(self, target, out):
        self.target, self.out, self.offsets = target, out, layout_offsets(out)
        self.era = int(re.search(r"LAB_ERA (\d+)", (out / "gen" / "nt_addresses.h").read_text())[1])
        self.images = {}
        self.stack = StackX64 if target.processor.name == "x64" else StackX86
        fields = target.request(GET_VERSION)[1]
        self.kernel_base, self.module_list = map(target.processor.narrow, struct.unpack_from("<QQ", fields, 16))
        self.pointer, self.shared_data = target.processor.pointer, target.processor.shared_data
        self.nt = self.load("ntoskrnl.exe")
        self.modules = self.read_modules()

    def load(self, name):
        if name not in self.images:
            pdb = next(self.out.glob("ntk*.pdb")) if name == "ntoskrnl.exe" else self.out / (pathlib.Path(name).stem + ".pdb")
            self.images[name] = Image(self.out / name, pdb)
        return self.images[name]

    def offset(self, name):
        return self.offsets[name]

    def value(self, address, size=None):
        """A number in memory, of the size of a pointer unless told."""
        return int.from_bytes(self.target.must_read(address, size or self.pointer), "little")

    def symbol(self, name, image="ntoskrnl.exe"):
        return self.modules_by_name[image][0] + self.load(image).symbols[name][0] if image != "ntoskrnl.exe" \
            else self.kernel_base + self.nt.symbols[name][0]

    def unicode(self, address):
        length = self.value(address, 2)
        return self.target.must_read(self.value(address + self.pointer), length).decode("utf-16le")

    def links(self, head, offset):
        """Addresses of the records whose link at `offset` hangs on the list at `head`."""
        link, seen = self.value(head), []
        while link != head and len(seen) < 200:
            seen.append(link - offset)
            link = self.value(link)
        return seen

    def read_modules(self):
        entry = loader_entry(self.offsets)
        self.modules_by_name = {}
        for record in self.links(self.module_list, self.offset(entry + "InLoadOrderLinks")):
            name = self.unicode(record + self.offset(entry + "BaseDllName"))
            base = self.value(record + self.offset(entry + "DllBase"))
            size = self.value(record + self.offset(entry + "SizeOfImage"), 4)
            # Where _LDR_DATA_TABLE_ENTRY has a time stamp, the kernel has something else.
            stamp = self.value(record + self.offset(entry + "TimeDateStamp"), 4) if entry.startswith("_KLDR") else None
            self.modules_by_name[name] = (base, size, stamp)
        return self.modules_by_name

    def find(self, address):
        for name, (base, size, _) in self.modules.items():
            if base <= address < base + size:
                return name, base
        return None, 0

    def name(self, address):
        module, base = self.find(address)
        return f"{pathlib.Path(module).stem}!{self.load(module).name(address - base)}" if module else f"{address:x}"

    def image_at(self, address):
        module, base = self.find(address)
        if module is None:
            raise Failure(f"an address outside of all modules on a stack: {address:x}")
        return self.load(module), base

    def registers(self):
        data, processor = self.target.request(GET_CONTEXT)[2], self.target.processor
        return {name: processor.unpack(data, offset) for name, offset in processor.context_registers}

    def running(self):
        return self.stack(self, self.registers())

    def switched_out(self, thread):
        return self.stack.switched_out(self, thread)

    def walk(self, stack):
        """Names of the functions on a stack, innermost first; a trap shows as `|`."""
        names = []
        while stack.r[stack.PC] != 0:
            pc, sp = stack.r[stack.PC], stack.r[stack.SP]
            if pc < 1 << (8 * self.target.processor.pointer - 1):
                return names + ["nowhere"]
            names.append(self.name(pc - (1 if names and names[-1] != "|" else 0)))
            try:
                trap = stack.step()
            except Failure as why:
                raise Failure(f"{why}; the stack so far: {' '.join(names)}")
            if trap:
                names.append("|")
            # A trap may have come with a stack of its own, which lies anywhere.
            if (stack.r[stack.SP] <= sp and not trap) or len(names) > 60:
                raise Failure("a stack that does not end: " + " ".join(names))
        return names


def start(target):
    packet = target.link.packet(15)
    check(packet is not None and packet[0] == STATE_CHANGE and struct.unpack_from("<I", packet[1])[0] == LOAD_SYMBOLS,
          "the kernel reports itself")
    target.state = packet[1]
    target.go(status=0x10002)
    target.wait_stop(60)
    check(target.code() == BREAKPOINT, "the initial break")


def check_lists(m):
    print("     modules:", " ".join(f"{name}@{base:x}" for name, (base, _, _) in m.modules.items()))
    check(all(stamp in (m.load(name).timestamp, None) for name, (_, _, stamp) in m.modules.items()),
          "time stamps are those of the files")
    build, version = BUILDS[m.era]
    flavour = "amd64fre" if m.target.processor.name == "x64" else "x86fre"
    lab = f"{build}.1.{flavour}.poolkd_lab".encode()
    check(m.target.must_read(m.symbol("NtBuildLab"), len(lab)) == lab, "NtBuildLab")
    check(m.value(m.shared_data + 0x260, 4) == build and (m.value(m.shared_data + 0x26C, 4), m.value(m.shared_data + 0x270, 4)) == version,
          f"KUSER_SHARED_DATA: {version[0]}.{version[1]}.{build}")
    kdbg = m.value(struct.unpack_from("<Q", m.target.request(GET_VERSION)[1], 32)[0])
    check(m.value(kdbg + 0x14, 4) == (0x340 if m.era == 7 else 0x380), "size of the data block")
    check(m.target.must_read(m.shared_data + 0x30, 20).decode("utf-16le") == "C:\\Windows", "and the system root")


def processes(m):
    result = {}
    for process in m.links(m.symbol("PsActiveProcessHead"), m.offset("_EPROCESS_ActiveProcessLinks")):
        name = m.target.must_read(process + m.offset("_EPROCESS_ImageFileName"), 15).rstrip(b"\0").decode()
        result[name] = process
    return result


def physical_page(m, page):
    return b"".join(m.target.read(page + half, 2048, physical=True)[1] for half in (0, 2048))


def directories(m, root):
    """Physical addresses of the tables that resolve the top bits of an address: one, on x86 with PAE four."""
    if m.pointer == 8 or m.offset("_MMPTE_SIZE") == 4:
        return [root]
    return [entry & 0xFFFFFFFFF000 for entry in struct.unpack_from("<4Q", physical_page(m, root))]


def top_entries(m, root):
    size = m.offset("_MMPTE_SIZE")
    return [entry for page in directories(m, root)
            for entry in struct.unpack(f"<{4096 // size}{'IQ'[size // 8]}", physical_page(m, page))]


def check_spaces(m):
    found = processes(m)
    check(list(found) == ["System", "smss.exe", "csrss.exe"], f"processes: {' '.join(found)}")
    roots = {name: m.value(p + m.offset("_KPROCESS_DirectoryTableBase")) for name, p in found.items()}
    check(len(set(roots.values())) == 3, "each has its own page map")
    tables = {name: top_entries(m, root) for name, root in roots.items()}
    half = len(tables["System"]) // 2
    differ = [i for i in range(half, 2 * half) if len({t[i] & ~0xE60 for t in tables.values()}) > 1]
    frames = {name: [t[i] & 0xFFFFFFFFF000 for i in differ] for name, t in tables.items()}
    check(frames == {name: directories(m, root) for name, root in roots.items()},
          f"the system halves are the same but for the self map, entry {differ[0]:x}")
    check(not any(tables["System"][:half]), "nothing is mapped below system space")
    check(all(t[half - 1] != 0 for n, t in tables.items() if n != "System"), "the others have pages of their own")
    for name, virtual_size, start, _, _ in m.nt.sections:
        present = m.target.read(m.kernel_base + start, 8)[0] == 0
        if name in ("INIT", ".reloc"):
            check(not present, f"{name} of the kernel has left memory")
    return found


def check_stacks(m, found):
    threads, ends, names = 0, set(), []
    for process in found.values():
        for thread in m.links(process + m.offset("_KPROCESS_ThreadListHead"), m.offset("_KTHREAD_ThreadListEntry")):
            threads += 1
            limit = m.value(thread + m.offset("_KTHREAD_StackLimit"))
            if m.target.read(limit - 8, 8)[0] == 0 or m.target.read(limit, 8)[0] != 0:
                raise Failure(f"the stack of thread {thread:x} has no guard page")
            start = m.value(thread + m.offset("_ETHREAD_StartAddress"))
            running = m.value(thread + m.offset("_KTHREAD_State"), 1) == 2
            stack = m.walk(m.running() if running else m.switched_out(thread))
            if not running and len(stack) == 1:
                names.append(m.name(start) + " (not started)")
                continue
            if not any(n == m.name(start) for n in stack):
                raise Failure(f"a stack without the thread's start {m.name(start)}: {' '.join(stack)}")
            ends.add(stack[-1])
            names.append(m.name(start))
    check(ends == {"ntoskrnl!KiStartSystemThread"}, f"the stacks of {threads} threads end where threads begin")
    print("     threads:", " ".join(names))


def check_running(m, leaky):
    target = m.target
    before = m.value(m.symbol("LeakyLiveBlocks", "leaky.sys"), 8) if leaky else 0
    target.loads = []
    target.go_over()

    deadline = time.monotonic() + 60
    while len(target.loads) < 2 and time.monotonic() < deadline:
        packet = target.link.packet(0.5)
        if packet is None:
            continue
        if packet[0] != STATE_CHANGE:
            target.note(packet[0], packet[1])
            continue
        target.state = packet[1]
        target.loads.append((packet[1][240:].rstrip(b"\0").decode("latin-1"), packet[1][64]))
        target.go(status=0x10002)
    path = "\\SystemRoot\\system32\\drivers\\late.sys"
    check(target.loads == [(path, 0), (path, 1)], "late.sys comes and goes, and both are reported")

    for attempt in range(6):
        target.link.send_bytes(b"b")
        target.wait_stop(10)
        stack = m.walk(m.running())
        check("|" in stack and stack[-1] in ("ntoskrnl!KiStartSystemThread", "ntoskrnl!KiSystemStartup"),
              "break-in: " + " ".join(stack))
        if attempt < 5:
            return_to_caller(target)
    # The report comes before the removal, and the removing thread has to wait for its turn.
    for attempt in range(50):
        m.modules = m.read_modules()
        if "late.sys" not in m.modules:
            break
        target.go_over()
        target.link.send_bytes(b"b")
        target.wait_stop(10)
    check("late.sys" not in m.modules, "late.sys is no longer in the list")
    slot = m.value(m.symbol("MmUnloadedDrivers"))
    check(m.unicode(slot + m.offset("_UNLOADED_DRIVERS_Name")) == "late.sys" and m.value(m.symbol("MmLastUnloadedDriver"), 4) == 1,
          "but among the unloaded drivers")
    if leaky:
        check(m.value(m.symbol("LeakyLiveBlocks", "leaky.sys"), 8) > before, "the leak runs after the first go")
    check(m.value(m.symbol("ExpTimeRefreshCount"), 4) > 0, "the deferred call of a timer runs")
    spins = [m.value(m.symbol("ExpSpinCount") + 8 * i, 8) for i in range(2)]
    if any(spins):
        check(min(spins) * 2 > max(spins), f"threads of one priority share the processor: {spins}")


def return_to_caller(target):
    """Resumes from the compiled-in breakpoint of DbgBreakPointWithStatus as if that had returned."""
    processor = target.processor
    context = bytearray(target.request(GET_CONTEXT)[2])
    sp = processor.unpack(context, processor.context_sp)
    put = lambda at, value: context.__setitem__(slice(at, at + processor.pointer), value.to_bytes(processor.pointer, "little"))
    put(processor.context_pc, target.pointer(sp))
    put(processor.context_sp, sp + 8)  # the return address, and on x86 the argument
    if target.request(SET_CONTEXT, b"", bytes(context))[0] != 0:
        raise Failure("SetContext")
    target.go()


def check_paged_pool(m):
    """Counts the states of paged pool pages; with trim=on some must have left."""
    pte_base, start, size = m.value(m.symbol("MmPteBase")), m.value(m.symbol("MmPagedPoolStart")), m.offset("_MMPTE_SIZE")
    first = pte_base + ((start & 0xFFFFFFFFFFFF) >> 12) * size
    entries = b"".join(m.target.must_read(first + at, 512 * size // 2) for at in (0, 512 * size // 2))
    paged_out = 12 if size == 4 else 32  # where an entry has the place in the page file
    counts = {"valid": 0, "transition": 0, "page file": 0, "demand zero": 0}
    for page in range(512):
        entry = int.from_bytes(entries[page * size:(page + 1) * size], "little")
        kind = "valid" if entry & 1 else "transition" if entry & 0x800 else "page file" if entry >> paged_out else "demand zero"
        if entry:
            counts[kind] += 1
            if (m.target.read(start + (page << 12), 8)[0] == 0) != (kind == "valid"):
                raise Failure(f"page {page} of paged pool is {kind}, but the debugger's read says otherwise")
    print("     paged pool:", counts)
    return counts


def check_faults(m):
    """A jump to nowhere: the debugger is asked at second chance, then the machine stops for good."""
    target = m.target
    target.set_pc(0x1000)
    target.go()
    target.wait_stop(10)
    first_chance, = struct.unpack_from("<I", target.state, 184)
    check(target.code() == 0xC0000005 and target.pc() == 0x1000 and first_chance == 0, "an access violation at second chance")
    target.prints = []
    target.go(status=0x80010001)
    target.wait_stop(10)
    check(any("Fatal System Error: 0x0000001e" in text for text in target.prints), "which nobody handles: bug check 1E")
    status = m.registers()["Rcx" if m.pointer == 8 else "Eax"]
    routine, page_fault = (("DbgBreakPointWithStatus", "KiPageFault") if m.pointer == 8 else
                           ("RtlpBreakWithStatusInstruction", "KiTrap0E"))
    check(m.name(target.processor.narrow(target.pc())) == f"ntoskrnl!{routine}" and status == 3, "with status 3")
    data = [m.value(m.symbol("KiBugcheckData") + m.pointer * i) for i in range(5)]
    check(data[:3] == [0x1E, target.processor.narrow(0xFFFFFFFFC0000005), 0x1000], "KiBugcheckData")
    stack = m.walk(m.running())
    check(stack[-1] == "nowhere" and {"ntoskrnl!KeBugCheckEx", f"ntoskrnl!{page_fault}"} <= set(stack), "stack: " + " ".join(stack))


def check_overflow(m):
    """Code runs with the stack pointer at the end of a stack: the fault has no stack to be told on."""
    target = m.target
    target.link.send(MANIPULATE, struct.pack("<IHHII", REBOOT, 0, 0, 0x103, 0).ljust(56, b"\0"))
    start(target)
    m.modules = m.read_modules()
    limit = max(m.value(thread + m.offset("_KTHREAD_StackLimit")) for process in processes(m).values()
                for thread in m.links(process + m.offset("_KPROCESS_ThreadListHead"), m.offset("_KTHREAD_ThreadListEntry")))
    processor = target.processor
    context = bytearray(target.request(GET_CONTEXT)[2])
    for at, value in ((processor.context_pc, m.symbol("KeDelayExecutionThread")), (processor.context_sp, limit + 12)):
        context[at:at + processor.pointer] = value.to_bytes(processor.pointer, "little")
    check(target.request(SET_CONTEXT, b"", bytes(context))[0] == 0, "a stack pointer at the end of a stack")
    target.prints = []
    target.go()
    target.wait_stop(10)
    check(any("Fatal System Error: 0x0000007f" in text for text in target.prints), "bug check 7F")
    check(m.value(m.symbol("KiBugcheckData") + m.pointer) == 8, "double fault")
    stack = m.walk(m.running())
    entry = "KiDoubleFaultAbort" if m.pointer == 8 else "KiTrap08"
    check(f"ntoskrnl!{entry}" in stack, "stack: " + " ".join(stack))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--kd", choices=("virtio", "com1"), default="virtio")
    parser.add_argument("--append", default="scenario=page kaslr=off")
    parser.add_argument("--memory", type=int, default=128)
    options = parser.parse_args()
    out = options.out.resolve()
    initrd = ",".join([str(out / "ntoskrnl.exe")] + sorted(map(str, out.glob("*.sys"))))
    with tempfile.TemporaryDirectory() as folder:
        sock = folder + "/kd.sock"
        command = qemu_command(out, options.kd, sock, f"kd={options.kd} late=on {options.append}", options.memory, initrd)
        with open(folder + "/console", "w+b") as console:
            machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            try:
                target = Target(Link(sock), processor_of(out))
                start(target)
                m = Machine(target, out)
                check_lists(m)
                found = check_spaces(m)
                check_stacks(m, found)
                check_running(m, "leaky.sys" in m.modules)
                check_stacks(m, processes(m))
                counts = check_paged_pool(m)
                if "trim=on" in options.append:
                    check(counts["transition"] and counts["page file"], "pages of paged pool are absent in both ways")
                check_faults(m)
                check_overflow(m)
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
