"""Operands as llvm-objdump writes them in Intel's syntax."""

import re


def whole_register(name):
    """ "r8d" to "r8", "ecx" and "cl" to "rcx"; None when it is none."""
    if match := re.fullmatch(r"r(\d+)[dwb]?", name):
        return f"r{match[1]}"
    if match := re.fullmatch(r"[re]?([abcd]x|[sd]i|[sb]p)", name):
        return "r" + match[1]
    if match := re.fullmatch(r"([abcd])[lh]|([sd]i|[sb]p)l", name):
        return f"r{match[1]}x" if match[1] else f"r{match[2]}"
    return None


def number(text):
    """An immediate; None when it is none."""
    match = re.fullmatch(r"(-?)(0x[0-9a-f]+|\d+)", text.replace(" ", ""))
    if not match:
        return None
    value = int(match[2], 0)
    return -value if match[1] else value


def memory_operand(text):
    """Base register ("rip" and None are bases too), displacement, and the rest: index registers, segments."""
    match = re.search(r"(?:(\w\w):)?\[(.*)\]", text)
    if not match:
        return None
    base, displacement, rest = None, 0, [match[1]] if match[1] in ("fs", "gs") else []
    for sign, part in re.findall(r"([+-]?)\s*([^\s+-]+)", match[2]):
        if (value := number(part)) is not None:
            displacement += -value if sign == "-" else value
        elif base is None and (part == "rip" or whole_register(part)):
            base = "rip" if part == "rip" else whole_register(part)
        else:
            rest.append(part)
    return base, displacement, rest
