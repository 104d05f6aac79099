"""Stacks of the practice machine, walked by what its own images say: .pdata on x64, frame programs and trap records of the
PDB on x86. Shares nothing with the debugger, and knows no more than the lab's images contain.
"""

import re
import struct
import subprocess

from kd_smoke import Failure


def pdb_dump(pdb, what):
    return subprocess.run(["llvm-pdbutil-19", "dump", what, str(pdb)], capture_output=True, text=True, check=True).stdout


class StackX64:
    """The registers of one thread; step() goes to the caller."""

    NAMES = ["Rax", "Rcx", "Rdx", "Rbx", "Rsp", "Rbp", "Rsi", "Rdi"] + [f"R{n}" for n in range(8, 16)]
    PC, SP = "Rip", "Rsp"

    def __init__(self, machine, registers):
        self.machine, self.r = machine, dict(registers)

    @classmethod
    def switched_out(cls, machine, thread):
        stack = machine.value(thread + machine.offset("_KTHREAD_KernelStack"))
        registers = dict.fromkeys(cls.NAMES, 0)
        registers["Rbp"] = machine.value(stack + machine.offset("_KSWITCH_FRAME_Rbp"))
        registers["Rip"] = machine.value(stack + machine.offset("_KSWITCH_FRAME_Return"))
        registers["Rsp"] = stack + machine.offset("_KSWITCH_FRAME_SIZE")
        return cls(machine, registers)

    @staticmethod
    def function(image, rva):
        """(begin, unwind information) of the function around rva, or None for a leaf."""
        pe, = struct.unpack_from("<I", image.data, 0x3C)
        table, size = struct.unpack_from("<II", image.data, pe + 24 + 112 + 3 * 8)
        for entry in range(table, table + size, 12):
            begin, end, info = struct.unpack("<III", image.at(entry, 12))
            if begin <= rva < end:
                return begin, info
        return None

    def step(self):
        """Returns whether a trap was crossed."""
        r, value = self.r, self.machine.value
        image, base = self.machine.image_at(r["Rip"])
        function = self.function(image, r["Rip"] - base)
        if function is None:
            r["Rip"], r["Rsp"] = value(r["Rsp"]), r["Rsp"] + 8
            return False
        begin, info = function
        flags, prolog, count, frame = image.at(info, 4)
        inside = r["Rip"] - base - begin
        if flags >> 3 & 4:
            raise Failure("chained unwind information")
        codes = struct.unpack(f"<{count}H", image.at(info + 4, 2 * count))
        if frame & 15 and inside >= prolog:
            r["Rsp"] = r[self.NAMES[frame & 15]] - (frame >> 4) * 16
        i, trap = 0, False
        while i < count:
            where, op, arg = codes[i] & 255, codes[i] >> 8 & 15, codes[i] >> 12
            words = {1: 3 if arg else 2, 4: 2, 5: 3, 8: 2, 9: 3}.get(op, 1)
            if inside >= where:
                if op == 0:
                    r[self.NAMES[arg]], r["Rsp"] = value(r["Rsp"]), r["Rsp"] + 8
                elif op == 1:
                    r["Rsp"] += codes[i + 1] * 8 if arg == 0 else codes[i + 1] | codes[i + 2] << 16
                elif op == 2:
                    r["Rsp"] += arg * 8 + 8
                elif op == 4:
                    r[self.NAMES[arg]] = value(r["Rsp"] + codes[i + 1] * 8)
                elif op == 10:
                    machine = r["Rsp"] + (8 if arg else 0)
                    r["Rip"], r["Rsp"], trap = value(machine), value(machine + 0x18), True
                elif op != 3:
                    raise Failure(f"unwind code {op}")
            i += words
        if not trap:
            r["Rip"], r["Rsp"] = value(r["Rsp"]), r["Rsp"] + 8
        return trap


class StackX86:
    """As StackX64. A frame program computes the caller's registers; `.raSearch` in it stands for the place of the return
    address, which lies behind the locals, the saved registers and what was pushed for the function that was called."""

    NAMES = ["Eax", "Ecx", "Edx", "Ebx", "Esp", "Ebp", "Esi", "Edi"]
    PC, SP = "Eip", "Esp"
    SEARCHED_WORDS = 64  # arguments of a call that takes any number of them

    def __init__(self, machine, registers):
        self.machine, self.r = machine, dict(registers)
        self.pushed = 0  # bytes of parameters of the function that was called
        self.called = 0  # 1 when Eip is a return address

    @classmethod
    def switched_out(cls, machine, thread):
        stack = machine.value(thread + machine.offset("_KTHREAD_KernelStack"))
        registers = dict.fromkeys(cls.NAMES, 0)
        registers["Eip"] = machine.value(stack + machine.offset("_KSWITCHFRAME_RetAddr"))
        registers["Esp"] = stack + machine.offset("_KSWITCHFRAME_SIZE")
        return cls(machine, registers)

    @staticmethod
    def records(image):
        """[(first rva, end, bytes of locals, of parameters, of saved registers, program)] of an image's functions."""
        if not hasattr(image, "frame_records"):
            image.frame_records = []
            for line in pdb_dump(image.pdb, "--fpo").splitlines():
                if match := re.match(r"([0-9A-F]{8}) \| (.*)", line):
                    rva, columns = int(match[1], 16), [column.strip() for column in match[2].split("|")]
                    end = rva + int(columns[0])
                    if columns[-1] in ("Trap", "FPO"):  # an old record, which counts longs and has no program
                        sizes = [4 * int(columns[i]) for i in (1, 2, 4)]
                    else:
                        sizes = [int(columns[i]) for i in (1, 2, 5)]
                    image.frame_records.append((rva, end, *sizes, columns[-1]))
        return image.frame_records

    def is_return_address(self, word):
        try:
            image, base = self.machine.image_at(word)
            code = image.at(word - base - 7, 7)
        except Failure:
            return False
        return code[2] == 0xE8 or any(code[7 - n] == 0xFF and code[8 - n] >> 3 & 7 == 2 for n in (2, 3, 4, 6, 7))

    def find_return_address(self, at):
        if self.machine.value(at) == 0:
            return at  # where a stack ends
        for where in range(at, at + 4 * self.SEARCHED_WORDS, 4):
            if self.is_return_address(self.machine.value(where)):
                return where
        raise Failure("no return address on the stack")

    def run(self, program, start):
        names = {"$" + name.lower(): value for name, value in self.r.items()}
        if ".raSearch" in program:
            names[".raSearch"] = self.find_return_address(start)
        stack = []
        take = lambda: names[word] if isinstance(word := stack.pop(), str) else word
        for word in program.split():
            if word in ("+", "-", "@"):
                right, left = take(), take()
                stack.append({"+": left + right, "-": left - right, "@": left & -right}[word] & 0xFFFFFFFF)
            elif word == "^":
                stack.append(self.machine.value(take()))
            elif word == "=":
                value, name = take(), stack.pop()
                names[name] = value
            else:
                stack.append(int(word) if word.isdigit() else word)
        self.r = {name: names["$" + name.lower()] for name in self.r}

    def cross_trap(self):
        frame, offset = self.r["Ebp"], self.machine.offset
        for name in ("Eax", "Ecx", "Edx", "Ebx", "Esi", "Edi", "Ebp", "Eip"):
            self.r[name] = self.machine.value(frame + offset("_KTRAP_FRAME_" + name))
        self.r["Esp"] = frame + offset("_KTRAP_FRAME_HardwareEsp")

    def return_by_epilog(self):
        """Where nothing but the end of a function is left to run, of which frame data say nothing (ebp is its caller's again
        there): runs it. Returns whether that was so."""
        value, at, r = self.machine.value, self.r["Eip"], dict(self.r)
        image, base = self.machine.image_at(at)
        while True:
            code = image.at(at - base, 6)
            if 0x58 <= code[0] <= 0x5F and code[0] != 0x5C:  # pop
                r[self.NAMES[code[0] & 7]], r["Esp"], size = value(r["Esp"]), r["Esp"] + 4, 1
            elif code[0] == 0xC9:  # leave
                r["Ebp"], r["Esp"], size = value(r["Ebp"]), r["Ebp"] + 4, 1
            elif code[:2] == b"\x83\xC4":  # add esp, a byte
                r["Esp"], size = r["Esp"] + struct.unpack_from("<b", code, 2)[0], 3
            elif code[:2] == b"\x81\xC4":  # add esp, four bytes
                r["Esp"], size = r["Esp"] + struct.unpack_from("<i", code, 2)[0], 6
            elif code[:2] == b"\x8D\x65":  # lea esp, [ebp + a byte]
                r["Esp"], size = r["Ebp"] + struct.unpack_from("<b", code, 2)[0], 3
            elif code[0] in (0xC2, 0xC3):  # ret; parameters still count as pushed
                r["Eip"], r["Esp"] = value(r["Esp"]), r["Esp"] + 4
                self.r = r
                return True
            else:
                return False
            at += size

    def step(self):
        """Returns whether a trap was crossed."""
        image, base = self.machine.image_at(self.r["Eip"])
        rva = self.r["Eip"] - base - self.called  # a call that does not return may be the last of its function
        found = [record for record in self.records(image) if record[0] <= rva < record[1]]
        if not found:
            raise Failure(f"no frame record for {self.machine.name(self.r['Eip'])}")
        _, _, frame_locals, parameters, saved, program = max(found)
        if program == "Trap":
            self.cross_trap()
            self.pushed, self.called = 0, 0
            return True
        if program == "FPO":
            program = "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + ="
        if self.called or not self.return_by_epilog():
            self.run(program, self.r["Esp"] + self.pushed + frame_locals + saved)
        self.pushed, self.called = parameters, 1
        return False
