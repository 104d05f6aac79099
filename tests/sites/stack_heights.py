"""Which registers point into the stack, and where, before each instruction of a function."""

import re

from text_operands import memory_operand, number, whole_register

VOLATILE = {"rax", "rcx", "rdx", "r8", "r9", "r10", "r11"}
VOLATILE_X86 = {"rax", "rcx", "rdx"}
READ_ONLY = re.compile(r"^(cmp|test|bt|j|nop|prefetch|push|ret|int|mul|div|out|st|fst)")


class StackHeights:
    """`before[i]`: register to (anchor, distance). An anchor is the function's entry, or a place behind which the stack pointer is
    not known any more, like a 32-bit call whose callee may have taken its arguments away."""

    def __init__(self, function, pointer, pops):
        self.pointer, self.pops = pointer, pops
        self.volatile = VOLATILE if pointer == 8 else VOLATILE_X86
        self.before = [None] * len(function.instructions)
        after = {}
        following = {}
        for at, earlier in function.before.items():
            for one in earlier:
                following.setdefault(one, []).append(at)
        todo = []
        for at in range(len(function.instructions)):
            if at == 0 or not function.before[at]:
                todo.append((at, {"rsp": ("entry" if at == 0 else f"at {at}", 0)}))
                while todo:
                    at, state = todo.pop()
                    joins = len(function.before[at]) > 1
                    merged = self._merge(self.before[at], state, at) if joins else state
                    if merged == self.before[at]:
                        continue
                    self.before[at] = merged
                    after[at] = self._after(function.instructions[at], at, merged)
                    todo.extend((one, after[at]) for one in following.get(at, ()))
        for at, state in enumerate(self.before):  # only reached in a circle
            if state is None:
                self.before[at] = {"rsp": (f"at {at}", 0)}

    @staticmethod
    def _merge(old, new, at):
        if old is None or old == new:
            return new
        merged = {name: place for name, place in old.items() if new.get(name) == place}
        merged.setdefault("rsp", (f"merge {at}", 0))
        return merged

    def _after(self, one, at, before):
        state = dict(before)
        anchor, distance = state["rsp"]
        if one.name == "push":
            state["rsp"] = anchor, distance - self.pointer
        elif one.name == "pop":
            state.pop(whole_register(one.operands[0]), None)
            state["rsp"] = anchor, distance + self.pointer
        elif one.name == "leave":
            anchor, distance = state.pop("rbp", (f"leave {at}", 0))
            state["rsp"] = anchor, distance + self.pointer
        elif one.call:
            for name in self.volatile:
                state.pop(name, None)
            if self.pointer == 4:
                pops = self.pops(one)
                state["rsp"] = (f"call {at}", 0) if pops is None else (anchor, distance + pops)
        elif one.operands and not READ_ONLY.match(one.name):
            written = whole_register(one.operands[0])
            if written:
                place = self._assigned(one, written, before)
                state.pop(written, None)
                if place or written == "rsp":
                    state[written] = place or (f"at {at}", 0)
            if one.name == "xchg":
                state.pop(whole_register(one.operands[1]), None)
        return state

    @staticmethod
    def _assigned(one, written, state):
        if one.name in ("add", "sub") and written in state and (amount := number(one.operands[1])) is not None:
            anchor, distance = state[written]
            return anchor, distance + (amount if one.name == "add" else -amount)
        if one.name == "mov":
            return state.get(whole_register(one.operands[1]))
        if one.name == "lea" and (memory := memory_operand(one.operands[1])) and memory[0] in state and not memory[2]:
            anchor, distance = state[memory[0]]
            return anchor, distance + memory[1]
        return None
