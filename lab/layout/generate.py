#!/usr/bin/env python3
"""Turns the structure descriptions of this folder into headers for one processor, era and layout seed.

    generate.py [--arch x64|x86] [--pae] [--era 7|10|11] [--seed N] --out DIR FILE.layout...

writes into DIR
    nt_layout.h        C++ structures, with the computed offsets asserted
    nt_layout_asm.h    offsets for the assembler: #define _KTHREAD_KernelStack 0x58
    nt_addresses.h     where things lie in virtual memory

Seed 0 keeps the members in the order of the descriptions. Any other seed permutes the members of every structure that
is not marked `fixed` and puts unnamed padding between them. The same seed always gives the same files.

Description, line by line; `#` starts a comment:

    struct _NAME [fixed] [size N] [align N] {
    enum _NAME { NAME = 1, NAME, ... }
        TYPE NAME                        TYPE may end in one or more `*`; `TYPE NAME[8]` is an array
        TYPE NAME : BITS                 bit-field; adjoining ones of one size share a unit and stay together
        TYPE NAME at 0x30                a member with a fixed offset, in front of those that move
        union [NAME] {                   nested union or struct; anonymous unless named
        struct [NAME] [fixed] {
    }

`size N` permutes without padding until the structure has exactly N bytes.

A line that ends in `if WORDS` counts only where all the words hold; the opening line of a struct or union speaks for
all of it:

    ULONG Number at 0x24 if x64
    struct _KDESCRIPTOR fixed if x86 {
    SIZE_T PagedBytes if x64 era 10+

    x64 x86          the processor
    pae nopae        the shape of its page tables; x64 is neither
    era 7 10 11      one of these eras
    era 10+          this era and later ones
"""

import argparse
import pathlib
import re
import sys

BASE_TYPES = {
    "CHAR": 1, "SCHAR": 1, "UCHAR": 1, "BOOLEAN": 1, "KIRQL": 1,
    "SHORT": 2, "USHORT": 2, "WCHAR": 2,
    "LONG": 4, "ULONG": 4, "NTSTATUS": 4, "KPRIORITY": 4, "INT": 4,
    "LONGLONG": 8, "ULONGLONG": 8, "LONG64": 8, "ULONG64": 8, "LARGE_INTEGER": 8,
}
POINTER_SIZED = ("ULONG_PTR", "LONG_PTR", "SIZE_T", "KSPIN_LOCK", "KAFFINITY", "PVOID", "HANDLE", "PDRIVER_INITIALIZE",
                 "PDRIVER_UNLOAD", "PALLOCATE_FUNCTION", "PFREE_FUNCTION")
MAX_PADDING_UNITS = 3
MAX_SIZE_TRIES = 10000


class LayoutError(Exception):
    """A description that cannot be understood or laid out."""


class Machine:
    """What the lines with `if` are decided by, and the sizes of the types that every description may use."""

    def __init__(self, arch, era, pae=False):
        self.arch, self.era = arch, era
        self.words = {arch} if arch == "x64" else {arch, "pae" if pae else "nopae"}
        self.pointer_size = 8 if arch == "x64" else 4
        self.sizes = BASE_TYPES | dict.fromkeys(POINTER_SIZED, self.pointer_size)

    def holds(self, words):
        if match := re.search(r"\bera((?:\s+\d+\+?)+)$", words):
            eras = match[1].split()
            if not any(self.era >= int(e[:-1]) if e.endswith("+") else self.era == int(e) for e in eras):
                return False
            words = words[:match.start()]
        if unknown := set(words.split()) - {"x64", "x86", "pae", "nopae"}:
            raise LayoutError(f"unknown condition {' '.join(sorted(unknown))}")
        return self.words.issuperset(words.split())


class Random:
    """xorshift64*: the sequence must not depend on the version of Python."""

    def __init__(self, seed, name):
        state = 0x9E3779B97F4A7C15 ^ (seed * 0xBF58476D1CE4E5B9)
        for byte in name.encode():
            state = ((state ^ byte) * 0x100000001B3) & (2**64 - 1)
        self.state = state or 1

    def below(self, limit):
        x = self.state
        x ^= x >> 12
        x = (x ^ (x << 25)) & (2**64 - 1)
        x ^= x >> 27
        self.state = x
        return ((x * 0x2545F4914F6CDD1D & (2**64 - 1)) >> 33) % limit

    def shuffle(self, items):
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]


class Field:
    def __init__(self, type_name, name, count=None, bits=None, at=None):
        self.type_name, self.name, self.count, self.bits, self.at = type_name, name, count, bits, at


class Group:
    """A struct or union: top level (name is the tag) or nested (name is the member, None when anonymous)."""

    def __init__(self, kind, name, fixed=False, size=None, align=1):
        self.kind, self.name, self.fixed, self.wanted_size, self.wanted_align = kind, name, fixed, size, align
        self.at = None
        self.members = []  # Field, Group or Unit
        self.size = self.align = None
        self.offsets = []  # parallel to self.members once laid out


class Unit:
    """Adjoining bit-fields that share one storage unit."""

    def __init__(self, type_name):
        self.type_name, self.fields, self.at = type_name, [], None


class Enum:
    def __init__(self, name, body):
        self.name, self.body = name, body


def round_up(value, unit):
    return (value + unit - 1) // unit * unit


# Parsing ---------------------------------------------------------------------------------------------------------------

GROUP = re.compile(r"(struct|union)(?:\s+(\w+))?((?:\s+(?:fixed|size\s+\w+|align\s+\w+))*)\s*\{$")
FIELD = re.compile(r"([A-Za-z_]\w*(?:\s*\*+)?)\s+(\w+)(?:\[(\w+)\])?(?:\s*:\s*(\d+))?(?:\s+at\s+(\w+))?$")
ENUM = re.compile(r"enum\s+(\w+)\s*\{(.*)\}$")
CONDITION = re.compile(r"(.*?)\s+if\s+([^{]+?)(\s*\{)?$")


def parse_group(match):
    kind, name, words = match.groups()
    if name == "fixed":  # `struct fixed {`: an anonymous one
        name, words = None, "fixed " + words
    size = re.search(r"size\s+(\w+)", words)
    align = re.search(r"align\s+(\w+)", words)
    return Group(kind, name, "fixed" in words.split(), int(size[1], 0) if size else None, int(align[1], 0) if align else 1)


def parse(path, machine):
    items, stack = [], []
    left_out = 0  # open braces of a group whose condition does not hold
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        if left_out:
            left_out += line.endswith("{") - (line == "}")
            continue
        if match := CONDITION.match(line):
            line = match[1] + (match[3] or "")
            if not machine.holds(match[2]):
                left_out = 1 if match[3] else 0
                continue
        if match := ENUM.match(line):
            items.append(Enum(match[1], [word.strip() for word in match[2].split(",") if word.strip()]))
        elif match := GROUP.match(line):
            group = parse_group(match)
            (stack[-1].members if stack else items).append(group)
            stack.append(group)
        elif line == "}" and stack:
            stack.pop()
        elif (match := FIELD.match(line)) and stack:
            add_field(stack[-1], match, machine)
        else:
            raise LayoutError(f"{path.name}:{number}: cannot understand: {line}")
    if stack or left_out:
        raise LayoutError(f"{path.name}: {stack[0].name if stack else 'a group'} is not closed")
    return items


def add_field(group, match, machine):
    type_name, name, count, bits, at = match.groups()
    field = Field(type_name.replace(" ", ""), name, int(count, 0) if count else None, int(bits) if bits else None,
                  int(at, 0) if at else None)
    if field.bits is None:
        group.members.append(field)
        return
    last = group.members[-1] if group.members else None
    room = 8 * machine.sizes[field.type_name]
    if group.kind == "union" or not isinstance(last, Unit) or 8 * machine.sizes[last.type_name] != room or \
            sum(f.bits for f in last.fields) + field.bits > room:
        last = Unit(field.type_name)
        last.at = field.at
        group.members.append(last)
    last.fields.append(field)


# Laying out ------------------------------------------------------------------------------------------------------------

class Layouts:
    def __init__(self, items, machine, seed):
        self.machine, self.seed = machine, seed
        self.groups = {}
        self.enums = {}
        for item in items:
            table = self.enums if isinstance(item, Enum) else self.groups
            if item.name in self.groups or item.name in self.enums:
                raise LayoutError(f"{item.name} is described twice")
            table[item.name] = item
        self.order = []  # groups, each after those that it contains
        self.busy = set()
        for name in self.groups:
            self.finish(name)

    def finish(self, name):
        group = self.groups[name]
        if group.size is not None:
            return group
        if name in self.busy:
            raise LayoutError(f"{name} contains itself")
        self.busy.add(name)
        self.place(group, Random(self.seed, name), top=True)
        self.order.append(group)
        return group

    def measure(self, type_name):
        """Size and alignment of a type."""
        if type_name.endswith("*"):
            return self.machine.pointer_size, self.machine.pointer_size
        if type_name in self.machine.sizes:
            return self.machine.sizes[type_name], self.machine.sizes[type_name]
        if type_name in self.enums:
            return 4, 4
        if type_name in self.groups:
            group = self.finish(type_name)
            return group.size, group.align
        raise LayoutError(f"unknown type {type_name}")

    def measure_member(self, member):
        if isinstance(member, Group):
            return member.size, member.align
        if isinstance(member, Unit):
            return self.measure(member.type_name)
        size, align = self.measure(member.type_name)
        return size * (member.count if member.count is not None else 1), align

    def place(self, group, random, top):
        for member in group.members:
            if isinstance(member, Group):
                self.place(member, random, top=False)
        if group.kind == "union":
            sizes = [self.measure_member(member) for member in group.members]
            group.align = max([group.wanted_align] + [align for _, align in sizes])
            group.size = round_up(max(size for size, _ in sizes), group.align)
            group.offsets = [0] * len(group.members)
            return
        for _ in range(MAX_SIZE_TRIES):
            self.place_struct(group, random, padding=top and group.wanted_size is None)
            if group.wanted_size is None or group.size == group.wanted_size:
                return
        raise LayoutError(f"{group.name}: no order gives {group.wanted_size} bytes, the last gave {group.size}")

    def place_struct(self, group, random, padding):
        pinned = [member for member in group.members if member.at is not None]
        moving = [member for member in group.members if member.at is None]
        permute = self.seed != 0 and not group.fixed
        if permute:
            random.shuffle(moving)
            for member in moving:
                if isinstance(member, Unit):
                    random.shuffle(member.fields)
        # A member described after a pinned one stays behind it when nothing moves.
        members = pinned + moving if permute else group.members
        group.members, group.offsets = members, []
        offset = 0
        for member in members:
            size, align = self.measure_member(member)
            if member.at is not None:
                if member.at < offset or member.at % align:
                    raise LayoutError(f"{group.name}: offset {member.at:#x} is taken or not aligned")
                offset = member.at
            elif permute and padding:
                offset += 4 * random.below(MAX_PADDING_UNITS)
            offset = round_up(offset, align)
            group.offsets.append(offset)
            offset += size
        group.align = max([group.wanted_align] + [self.measure_member(member)[1] for member in members])
        group.size = round_up(offset, group.align)


# Writing ---------------------------------------------------------------------------------------------------------------

def padding_lines(indent, count):
    """Unnamed bit-fields: they take room and have no name in the debug information."""
    text = "UCHAR : 8; " * count
    width = 10 * len("UCHAR : 8; ")
    return [indent + text[i:i + width].rstrip() for i in range(0, len(text), width)]


def write_members(layouts, group, indent):
    lines, end = [], 0
    for member, offset in zip(group.members, group.offsets):
        size, align = layouts.measure_member(member)
        if group.kind == "struct" and round_up(end, align) != offset:
            lines += padding_lines(indent, offset - end)
        end = offset + size
        if isinstance(member, Group):
            lines += [f"{indent}{member.kind}", indent + "{"] + write_members(layouts, member, indent + "    ")
            lines.append(f"{indent}}}{' ' + member.name if member.name else ''};")
        elif isinstance(member, Unit):
            lines += [f"{indent}{field.type_name} {field.name} : {field.bits};" for field in member.fields]
        else:
            array = f"[{member.count}]" if member.count is not None else ""
            lines.append(f"{indent}{spell(layouts, member.type_name)} {member.name}{array};")
    return lines


def spell(layouts, type_name):
    bare = type_name.rstrip("*")
    if bare in layouts.machine.sizes or bare in layouts.enums or bare == "VOID":
        return type_name
    return ("" if bare in layouts.groups and not type_name.endswith("*") else "struct ") + type_name


def walk_offsets(group, base=0, prefix=""):
    """Yields (member path, offset) of every member that offsetof accepts."""
    for member, offset in zip(group.members, group.offsets):
        if isinstance(member, Group):
            yield from walk_offsets(member, base + offset, prefix + (member.name + "." if member.name else ""))
        elif isinstance(member, Field):
            yield prefix + member.name, base + offset


def write_cpp(layouts):
    lines = ["// Made by lab/layout/generate.py; the types come from lab/layout/*.layout.", "#pragma once", ""]
    for enum in layouts.enums.values():
        lines += [f"enum {enum.name} : int {{ {', '.join(enum.body)} }};", ""]
    lines += [f"struct {group.name};" for group in layouts.order] + [""]
    for group in layouts.order:
        align = f"alignas({group.wanted_align}) " if group.wanted_align > 1 else ""
        lines += [f"{group.kind} {align}{group.name}".replace("union", "struct"), "{"]
        if group.kind == "union":
            raise LayoutError(f"{group.name}: a union at top level; wrap it in a struct")
        lines += write_members(layouts, group, "    ") + ["};"]
        lines.append(f"static_assert(sizeof({group.name}) == {group.size:#x});")
        lines += [f"static_assert(__builtin_offsetof({group.name}, {path}) == {offset:#x});"
                  for path, offset in walk_offsets(group)]
        lines.append("")
    return "\n".join(lines)


def write_asm(layouts):
    lines = ["// Made by lab/layout/generate.py. Offsets of members, for assembler files.", "#pragma once"]
    for group in layouts.order:
        lines.append(f"#define {group.name}_SIZE {group.size:#x}")
        lines += [f"#define {group.name}_{path.replace('.', '_')} {offset:#x}" for path, offset in walk_offsets(group)]
    return "\n".join(lines) + "\n"


# Addresses -------------------------------------------------------------------------------------------------------------

MEGABYTE = 1 << 20
PXE_SPAN = 1 << 39
KERNEL_PXE = 0x1F0  # fffff800'00000000, where scanners of memory images look for it
CLASSIC_SELFMAP_PXE = 0x1ED  # fffff680'00000000
SHARED_DATA_PXE = 0x1EF  # KUSER_SHARED_DATA, fffff780'00000000, known to programs


def pxe_address(index):
    return 0xFFFF000000000000 | index * PXE_SPAN


def addresses_x64(seed, era):
    """Seed 0: the places of Windows before addresses became random. Else one 512 GB slot each, and a start within it.
    The self map became random with Windows 10."""
    if seed == 0:
        return {
            "LAB_SELFMAP_INDEX": CLASSIC_SELFMAP_PXE,
            "LAB_KERNEL_BASE": pxe_address(KERNEL_PXE) + 4 * MEGABYTE,
            "LAB_DRIVER_BASE": pxe_address(KERNEL_PXE) + 4096 * MEGABYTE,
            "LAB_NONPAGED_POOL_BASE": pxe_address(0x1C0),
            "LAB_PAGED_POOL_BASE": pxe_address(0x180),
            "LAB_PFN_DATABASE": pxe_address(0x1F5),
            "LAB_SYSTEM_PTE_BASE": pxe_address(0x1F1),
        }
    random = Random(seed, "addresses")
    slots = [i for i in range(0x100, 0x200) if i not in (SHARED_DATA_PXE, KERNEL_PXE, 0x1FF)]
    random.shuffle(slots)
    if era == 7:
        slots.remove(CLASSIC_SELFMAP_PXE)
        slots.insert(0, CLASSIC_SELFMAP_PXE)
    values = {"LAB_SELFMAP_INDEX": slots[0]}
    for slot, name in zip(slots[1:], ("NONPAGED_POOL_BASE", "PAGED_POOL_BASE", "PFN_DATABASE", "SYSTEM_PTE_BASE")):
        values["LAB_" + name] = pxe_address(slot) + 2 * MEGABYTE * random.below(0x10000)
    values["LAB_KERNEL_BASE"] = pxe_address(KERNEL_PXE) + 2 * MEGABYTE * (2 + random.below(512))
    values["LAB_DRIVER_BASE"] = pxe_address(KERNEL_PXE) + 2 * MEGABYTE * (2048 + random.below(1024))
    return values


def addresses_x86(seed):
    """The upper 2 GB. Seed 0: about where NT has things; else a slot of 128 MB each. The self map stays where every
    32-bit NT has it, c0000000, and takes the 8 MB that it needs with PAE."""
    names = ("NONPAGED_POOL_BASE", "PAGED_POOL_BASE", "PFN_DATABASE", "SYSTEM_PTE_BASE", "DRIVER_BASE")
    if seed == 0:
        starts = (0x88000000, 0xE0000000, 0xB0000000, 0xF0000000, 0xA0000000)
        return {"LAB_KERNEL_BASE": 0x80400000} | {"LAB_" + name: start for name, start in zip(names, starts)}
    random = Random(seed, "addresses")
    slots = [start for start in range(0x88000000, 0xF8000000, 128 * MEGABYTE) if start != 0xC0000000]
    random.shuffle(slots)
    values = {"LAB_KERNEL_BASE": 0x80400000 + 4 * MEGABYTE * random.below(8)}
    for slot, name in zip(slots, names):
        values["LAB_" + name] = slot + 4 * MEGABYTE * random.below(4)
    return values


def choose_addresses(machine, seed):
    if machine.arch == "x64":
        fixed = {"LAB_SHARED_DATA": pxe_address(SHARED_DATA_PXE), "LAB_KERNEL_SLIDES": 1024, "LAB_DRIVER_SLIDES": 1024}
        return addresses_x64(seed, machine.era) | fixed
    return addresses_x86(seed) | {"LAB_SHARED_DATA": 0xFFDF0000, "LAB_KERNEL_SLIDES": 8, "LAB_DRIVER_SLIDES": 16}


def write_addresses(machine, seed):
    """LAB_KERNEL_SLIDES, LAB_DRIVER_SLIDES: kaslr=on moves kernel and drivers up by a random number of large pages
    below these."""
    values = choose_addresses(machine, seed) | {"LAB_LAYOUT_SEED": seed, "LAB_ERA": machine.era}
    lines = ["// Made by lab/layout/generate.py: what was built, and the places of things in virtual memory.", "#pragma once"]
    if "pae" in machine.words:
        lines.append("#define LAB_PAE 1")
    suffix = "ull" if machine.arch == "x64" else "ul"
    lines += [f"#define {name} {value if value < 4096 else f'{value:#x}{suffix}'}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def write_if_changed(path, text):
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description="Writes the lab's structure headers for one machine and layout seed.")
    parser.add_argument("--arch", choices=("x64", "x86"), default="x64")
    parser.add_argument("--pae", action="store_true", help="x86 with 64-bit page table entries")
    parser.add_argument("--era", type=int, choices=(7, 10, 11), default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    arguments = parser.parse_args()
    try:
        machine = Machine(arguments.arch, arguments.era, arguments.pae)
        items = [item for path in arguments.files for item in parse(path, machine)]
        layouts = Layouts(items, machine, arguments.seed)
        arguments.out.mkdir(parents=True, exist_ok=True)
        write_if_changed(arguments.out / "nt_layout.h", write_cpp(layouts))
        write_if_changed(arguments.out / "nt_layout_asm.h", write_asm(layouts))
        write_if_changed(arguments.out / "nt_addresses.h", write_addresses(machine, arguments.seed))
    except (LayoutError, OSError, KeyError) as error:
        sys.exit(f"generate.py: {error}")


if __name__ == "__main__":
    main()
