"""Calls to pool routines in a driver, found the slow and obvious way from llvm-objdump's text: each instruction that uses the
import's slot, then the tag followed backwards over everything that can run before. Shares nothing with poolkd and its decoder.

    python3 -B pool_calls.py driver.sys...      a line a call: rva, kind, api, tag, how it is known, wrappers, size, pool type
"""

import collections
import dataclasses
import pathlib
import struct
import sys

from disassembly import Disassembly
from pe_image import PeImage
from stack_heights import VOLATILE, VOLATILE_X86, StackHeights
from text_operands import memory_operand, number, whole_register

ARGUMENT_REGISTERS = ("rcx", "rdx", "r8", "r9")
MOST_STEPS = 20000


@dataclasses.dataclass(frozen=True)
class Routine:
    """Arguments are counted from 0; None: there is none."""
    kind: str
    tag: int | None = None
    size: int | None = None
    pool_type: int | None = None
    fixed: str | None = None  # its own tag


# From the public prototypes of the routines.
ROUTINES = {
    "ExAllocatePool": Routine("allocation", None, 1, 0, "None"),
    "ExAllocatePoolWithQuota": Routine("allocation", None, 1, 0, "None"),
    "ExAllocatePoolWithTag": Routine("allocation", 2, 1, 0),
    "ExAllocatePoolWithQuotaTag": Routine("allocation", 2, 1, 0),
    "ExAllocatePoolWithTagPriority": Routine("allocation", 2, 1, 0),
    "ExAllocatePool2": Routine("allocation", 2, 1, 0),
    "ExAllocatePool3": Routine("allocation", 2, 1, 0),
    "ExFreePool": Routine("release"),
    "ExFreePoolWithTag": Routine("release", 1),
    "ExFreePool2": Routine("release", 1),
    "ExInitializeNPagedLookasideList": Routine("lookaside", 5, 4),
    "ExInitializePagedLookasideList": Routine("lookaside", 5, 4),
    "ExInitializeLookasideListEx": Routine("lookaside", 6, 5, 3),
    "NdisAllocateMemoryWithTag": Routine("allocation", 2, 1),
    "NdisAllocateMemoryWithTagPriority": Routine("allocation", 2, 1),
    "FltAllocatePoolAlignedWithTag": Routine("allocation", 3, 2, 1),
    "FltFreePoolAlignedWithTag": Routine("release", 2),
    "IoAllocateMdl": Routine("allocation", fixed="Mdl "),
    "IoFreeMdl": Routine("release", fixed="Mdl "),
}


@dataclasses.dataclass(frozen=True)
class Value:
    kind: str  # constant, parameter, data, import, unknown
    value: object = None


UNKNOWN = Value("unknown")


def constant(value):
    return value.value if value and value.kind == "constant" else None


@dataclasses.dataclass(frozen=True)
class Target:
    """What a call to an address means: a routine, through wrappers, with each argument as a parameter or a value."""
    api: str
    via: tuple  # RVAs, the one called here first
    tag: Value | None
    size: Value | None
    pool_type: Value | None


@dataclasses.dataclass
class Call:
    rva: int
    function: int
    kind: str
    api: str
    tag: int | None
    source: str  # in the words of poolkd
    via: tuple
    size: int | None
    pool_type: int | None
    loops: bool = False


def routine_target(name, wide):
    # POOL_FLAGS has 64 bits: two arguments of 32-bit code.
    shift = 1 if not wide and name in ("ExAllocatePool2", "ExAllocatePool3") else 0

    def parameter(index):
        return None if index is None else Value("parameter", index + shift if index else index)

    routine = ROUTINES[name]
    return Target(name, (), parameter(routine.tag), parameter(routine.size), parameter(routine.pool_type))


class PoolCalls:
    def __init__(self, path):
        self.image = PeImage(path)
        self.code = Disassembly(self.image)
        self.pointer = 8 if self.image.wide else 4
        self.volatile = VOLATILE if self.image.wide else VOLATILE_X86
        self.heights = {}
        self.exposed = {}
        self.popped = {}
        self.callers = self._callers()
        self.calls = self._search()

    def _callers(self):
        """Import name or address to the calls and jumps that reach it: pairs of function and index."""
        callers = collections.defaultdict(list)
        for function in self.code.functions.values():
            for at, one in enumerate(function.instructions):
                if not (one.call or one.jump) or not one.operands:
                    continue
                if one.target is not None:
                    if one.call or one.target not in function.index or one.target == function.entry:
                        callers[one.target].append((function, at))
                elif name := self.import_of(one):
                    callers[name].append((function, at))
                elif register := whole_register(one.operands[0]):
                    values = self.values(function, at, ("register", register))
                    if len(values) == 1 and (value := next(iter(values))).kind == "import":
                        callers[value.value].append((function, at))
        return callers

    def import_of(self, one):
        """Name of the import whose slot the last operand is."""
        memory = memory_operand(one.operands[-1])
        return self.image.imports.get(self.data_rva(one, memory)) if memory else None

    def data_rva(self, one, memory):
        base, displacement, rest = memory
        if rest or base not in ("rip", None):
            return None
        return one.end + displacement if base == "rip" else displacement - self.image.base

    def _search(self):
        targets = {name: routine_target(name, self.image.wide) for name in ROUTINES}
        targets.update({rva: routine_target(name, self.image.wide) for name, rva in self.image.exports.items() if name in ROUTINES})
        calls, todo = {}, list(targets)
        while todo:
            place = todo.pop(0)
            target = targets[place]
            for function, at in self.callers.get(place, ()):
                one = function.instructions[at]
                if one.rva in calls:
                    continue
                calls[one.rva], own = self.call(function, at, target)
                if own and function.entry not in targets:
                    targets[function.entry] = own
                    todo.append(function.entry)
        return [call for rva in sorted(calls) for call in calls[rva]]

    def call(self, function, at, target):
        """What the call does, once for each constant tag that may reach it; and what its function is to its callers when it passes
        its own arguments on."""
        one = function.instructions[at]

        def argument(value):
            if value is None or value.kind != "parameter":
                return value
            values = self.values(function, at, self.argument_place(function, at, value.value))
            if len(values) == 2:  # a variable that is nothing as the image comes: an override of the tag that is passed
                values -= {one for one in values if one.kind == "data" and self.initial(one.value) == 0}
            return next(iter(values)) if len(values) == 1 else Value("unknown", tuple(values))

        tag, size, pool_type = map(argument, (target.tag, target.size, target.pool_type))
        routine = ROUTINES[target.api]
        thunk = at == 0 and one.jump  # leaves no frame, so it is no wrapper
        wraps = thunk or (tag is not None and tag.kind == "parameter")
        via = target.via if thunk else (function.entry,) + target.via
        own = Target(target.api, via, tag, size, pool_type) if wraps else None

        def made(number, source):
            return Call(one.rva, function.entry, routine.kind, target.api, number, source, target.via, constant(size), constant(pool_type))

        if tag is None:
            own_tag = int.from_bytes(routine.fixed.encode(), "little") if routine.fixed else None
            return [made(own_tag, "fixed" if routine.fixed else "none")], own
        if tag.kind == "unknown" and tag.value and all(one.kind == "constant" for one in tag.value):
            return [made(one.value & 0xFFFFFFFF, "constant") for one in tag.value], own
        if tag.kind == "constant":
            return [made(tag.value & 0xFFFFFFFF, "constant")], own
        if tag.kind == "data":
            return [made(self.initial(tag.value), "data")], own
        return [made(None, tag.kind if tag.kind == "parameter" else "unresolved")], own

    def initial(self, rva):
        """What the image holds in a variable of 32 bits."""
        try:
            return self.image.read(rva, "I")
        except (ValueError, struct.error):
            return 0  # in the part of a section that the file does not hold

    def stack_before(self, function, at):
        if function.entry not in self.heights:
            self.heights[function.entry] = StackHeights(function, self.pointer, self.pops).before
        return self.heights[function.entry][at]

    def pops(self, call):
        """Bytes that a 32-bit callee takes off the stack besides its return address; None: not known."""
        callee = self.code.functions.get(call.target)
        if callee is None:
            return None
        if callee.entry not in self.popped:
            amounts = {number(one.operands[0]) if one.operands else 0 for one in callee.instructions if one.name == "ret"}
            self.popped[callee.entry] = amounts.pop() if len(amounts) == 1 else None
        return self.popped[callee.entry]

    def argument_place(self, function, at, index):
        if self.image.wide and index < len(ARGUMENT_REGISTERS):
            return "register", ARGUMENT_REGISTERS[index]
        anchor, distance = self.stack_before(function, at)["rsp"]
        return_address = 0 if function.instructions[at].call else self.pointer
        return "stack", anchor, distance + return_address + index * self.pointer

    def values(self, function, at, place):
        """What `place` may hold before instruction `at`."""
        found, todo, seen = set(), [(at, place, ())], set()
        while todo:
            at, place, sums = todo.pop()
            if (at, place, sums) in seen:
                continue
            seen.add((at, place, sums))
            if len(seen) > MOST_STEPS:
                return {UNKNOWN}
            if at == 0:
                found.add(self.parameter(place) if not sums else UNKNOWN)
            elif not function.before[at]:
                found.add(UNKNOWN)  # behind a jump through a table
            for earlier in function.before[at]:
                if function.instructions[earlier].name.startswith("cmov") and self.written(function, earlier) == place:
                    todo.append((earlier, place, sums))
                step = self.step(function, earlier, place)
                added = sums
                if len(step) == 2 and isinstance(step[1], int) and not isinstance(step[0], str):
                    step, added = step[0], sums + (step[1],)
                if isinstance(step[0], Value):
                    value = step[0]
                    if added:
                        value = Value("constant", value.value + sum(added)) if value.kind == "constant" else UNKNOWN
                    found.add(value)
                else:
                    todo.append((earlier, step, added))
        return found

    def written(self, function, at):
        return "register", whole_register(function.instructions[at].operands[0])

    def parameter(self, place):
        """A place at the function's entry."""
        if place[0] == "register":
            known = self.image.wide and place[1] in ARGUMENT_REGISTERS
            return Value("parameter", ARGUMENT_REGISTERS.index(place[1])) if known else UNKNOWN
        _, anchor, distance = place
        index, odd = divmod(distance, self.pointer)
        first = len(ARGUMENT_REGISTERS) + 1 if self.image.wide else 1
        return Value("parameter", index - 1) if anchor == "entry" and not odd and index >= first else UNKNOWN

    def step(self, function, at, place):
        """Where the value of `place` behind an instruction was before it: a place, a tuple with the value alone, or a pair of a
        place and what is added to it."""
        one = function.instructions[at]
        if place[0] == "register":
            return self.step_register(function, at, one, place)
        if one.call:
            # The callee may use the room for its register arguments, and whatever it was given the address of.
            anchor, distance = self.stack_before(function, at)["rsp"]
            home = self.image.wide and place[1] == anchor and distance <= place[2] < distance + 32
            return (UNKNOWN,) if home or place in self.exposed_places(function) else place
        if one.name == "push":
            anchor, distance = self.stack_before(function, at)["rsp"]
            return self.source(function, at, one.operands[0]) if place[1:] == (anchor, distance - self.pointer) else place
        if one.operands and self.stack_place(function, at, one.operands[0]) == place and not one.name.startswith(("cmp", "test")):
            return self.source(function, at, one.operands[1]) if one.name == "mov" else (UNKNOWN,)
        return place

    def step_register(self, function, at, one, place):
        register = place[1]
        if one.call:
            return (UNKNOWN,) if register in self.volatile else place
        if not one.operands or one.jump or one.name.startswith(("cmp", "test", "bt", "nop", "push")):
            implicit = one.name in ("cdq", "cqo", "cpuid", "rdtsc", "cdqe", "cwde")
            return (UNKNOWN,) if implicit and register in ("rax", "rdx", "rcx", "rbx") else place
        written = whole_register(one.operands[0])
        if one.name in ("xchg", "xadd", "mul", "div", "idiv") or (one.name == "imul" and len(one.operands) == 1):
            touched = {whole_register(operand) for operand in one.operands} | ({"rax", "rdx"} if one.name not in ("xchg", "xadd") else set())
            return (UNKNOWN,) if register in touched else place
        if written != register:
            return place
        operand = one.operands[1] if len(one.operands) > 1 else None
        if one.name in ("xor", "sub") and one.operands[0] == operand:
            return (Value("constant", 0),)
        if one.name in ("mov", "movabs", "movsxd") or one.name.startswith("cmov"):
            return self.source(function, at, operand)
        if one.name == "pop":
            return ("stack", *self.stack_before(function, at)["rsp"])
        if one.name in ("add", "sub") and (amount := number(operand)) is not None:
            return place, amount if one.name == "add" else -amount
        if one.name == "lea":
            base, displacement, rest = memory_operand(operand)
            if base not in ("rip", None) and not rest:
                return ("register", base), displacement
        if one.name == "or" and number(operand) in (-1, 0xFFFFFFFF):
            return (Value("constant", -1),)
        return (UNKNOWN,)

    def stack_place(self, function, at, operand):
        memory = memory_operand(operand)
        if not memory or memory[2]:
            return None
        known = self.stack_before(function, at).get(memory[0])
        return ("stack", known[0], known[1] + memory[1]) if known else None

    def exposed_places(self, function):
        """Places in the stack whose address is in some register."""
        if function.entry not in self.exposed:
            self.exposed[function.entry] = {self.stack_place(function, at, one.operands[1]) for at, one in enumerate(function.instructions)
                                            if one.name == "lea"}
        return self.exposed[function.entry]

    def source(self, function, at, operand):
        """Where an operand's value comes from."""
        if (value := number(operand)) is not None:
            return (Value("constant", value),)
        if register := whole_register(operand):
            return "register", register
        if place := self.stack_place(function, at, operand):
            return place
        memory = memory_operand(operand)
        rva = memory and self.data_rva(function.instructions[at], memory)
        if rva is None:
            return (UNKNOWN,)
        return (Value("import", self.image.imports[rva]) if rva in self.image.imports else Value("data", rva),)


def tag_text(tag):
    return "-" if tag is None else "".join(chr(tag >> shift & 0xFF) if 32 <= tag >> shift & 0xFF < 127 else f"\\x{tag >> shift & 0xFF:02x}"
                                           for shift in (0, 8, 16, 24))


def main():
    for name in sys.argv[1:]:
        for call in PoolCalls(pathlib.Path(name)).calls:
            hexa = lambda value: "-" if value is None else f"{value:x}"
            print(f"{call.rva:x}", call.kind, call.api, tag_text(call.tag), call.source, ",".join(map(hexa, call.via)) or "-",
                  hexa(call.size), hexa(call.pool_type), sep="\t")


if __name__ == "__main__":
    main()
