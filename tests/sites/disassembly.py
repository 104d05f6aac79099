"""The code of a PE image as llvm-objdump reads it."""

import collections
import dataclasses
import pathlib
import re
import subprocess
import tempfile

PADDING = ("nop", "int3")
LINE = re.compile(r"^\s*([0-9a-f]+):\s+([a-z]\S*(?: (?=lock|rep|[a-z]+\s)\S+)*)\s*(.*?)(?:\s*[#<].*)?$")


@dataclasses.dataclass
class Instruction:
    rva: int
    end: int
    name: str
    operands: list  # as text, Intel's syntax
    target: int | None  # of a direct jump or call

    @property
    def call(self):
        return self.name == "call"

    @property
    def jump(self):
        return self.name.startswith("j")

    @property
    def stops(self):
        """The next instruction in memory does not run after it."""
        return self.name in ("jmp", "ret", "int3", "ud2", "hlt", "iretd", "iretq")


def section_code(image, section):
    """llvm-objdump reads the section's bytes alone, so that odd headers do not matter."""
    machine = ("elf64-x86-64", "x86-64") if image.wide else ("elf32-i386", "i386")
    with tempfile.TemporaryDirectory() as folder:
        raw, wrapped = pathlib.Path(folder, "raw"), pathlib.Path(folder, "wrapped.o")
        raw.write_bytes(section.data)
        subprocess.run(["llvm-objcopy-19", "-I", "binary", "-O", machine[0], "--rename-section", ".data=.text,code,alloc,load", raw, wrapped], check=True)
        text = subprocess.run(["llvm-objdump-19", "-d", "-M", "intel", "--no-show-raw-insn", "--no-leading-headers",
                               f"--adjust-vma={section.rva:#x}", wrapped], check=True, capture_output=True, text=True).stdout
    found = []
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        rva, name, rest = int(match[1], 16), match[2], match[3]
        operands = [part.strip() for part in rest.split(",")] if rest else []
        target = None
        if (name == "call" or name.startswith("j")) and operands and re.fullmatch(r"0x[0-9a-f]+", operands[0]):
            target = int(operands[0], 16)
        found.append(Instruction(rva, 0, name, operands, target))
    for one, following in zip(found, found[1:]):
        one.end = following.rva
    if found:
        found[-1].end = section.rva + len(section.data)
    return found


class Function:
    """Instructions of one function in order, and which run before which."""

    def __init__(self, entry, instructions):
        self.entry = entry
        self.instructions = instructions
        self.index = {one.rva: at for at, one in enumerate(instructions)}
        self.before = collections.defaultdict(list)
        for at, one in enumerate(instructions):
            if one.jump and one.target in self.index:
                self.before[self.index[one.target]].append(at)
            padding = one.name in PADDING and at != 0 and not self.before[at]
            if not one.stops and not padding and at + 1 < len(instructions) and instructions[at + 1].rva == one.end:
                self.before[at + 1].append(at)


class Disassembly:
    """All code, in functions. On x64 .pdata says where they begin; elsewhere a function begins where something calls or points,
    and behind what does not run on."""

    def __init__(self, image):
        self.image = image
        self.instructions = sorted((one for section in image.sections if section.executable for one in section_code(image, section)),
                                   key=lambda one: one.rva)
        self.by_rva = {one.rva: one for one in self.instructions}
        self.functions = self._by_pdata() if image.functions else self._by_flow()

    def _starts(self):
        starts = {one.target for one in self.instructions if one.call and one.target} | {self.image.entry} | set(self.image.exports.values())
        return {start for start in starts if start in self.by_rva}

    def _by_flow(self):
        """32-bit code: whatever is called, exported or pointed to by data or an immediate begins a function."""
        starts = self._starts() | self._pointed_to() | self._thunks()
        functions, current = {}, None
        for one in self.instructions:
            if one.rva in starts or current is None:
                current = functions.setdefault(one.rva, [])
            current.append(one)
        return {entry: Function(entry, code) for entry, code in functions.items()}

    def _thunks(self):
        """Jumps through an import behind what does not run on."""
        slots = {f"dword ptr [{self.image.base + slot:#x}]" for slot in self.image.imports}
        return {b.rva for a, b in zip(self.instructions, self.instructions[1:])
                if b.name == "jmp" and b.operands[0] in slots and (a.stops or a.name == "nop")}

    def _pointed_to(self):
        """Immediates that are addresses of code behind a pad or a return: callbacks."""
        found = set()
        following_stop = {b.rva for a, b in zip(self.instructions, self.instructions[1:]) if a.stops or a.name in ("nop", "int3")}
        for one in self.instructions:
            for operand in one.operands:
                if re.fullmatch(r"0x[0-9a-f]+", operand) and int(operand, 16) - self.image.base in following_stop:
                    found.add(int(operand, 16) - self.image.base)
        return found

    def _by_pdata(self):
        owner = {}
        unwind_of = {begin: unwind for begin, _, unwind in self.image.functions}
        for begin, end, unwind in self.image.functions:
            entry, seen = begin, set()
            while (parent := self.image.chained_to(unwind)) is not None and parent not in seen:
                seen.add(parent)
                entry, unwind = parent, unwind_of[parent]
            for rva in range(begin, end):
                owner[rva] = entry
        starts = self._starts()
        functions, leaf = collections.defaultdict(list), None
        for one in self.instructions:
            if one.rva in owner:
                functions[owner[one.rva]].append(one)
                leaf = None
            else:  # functions without unwind record use no stack
                if one.rva in starts or leaf is None:
                    leaf = one.rva
                functions[leaf].append(one)
                if one.stops:
                    leaf = None
        return {entry: Function(entry, code) for entry, code in functions.items()}
