"""C headers of kernel types, with the offset of each member in a comment, as tables.

The headers of the vergilius-rs project write a type as

    // 0x10 (16) bytes
    struct _LIST_ENTRY {
      struct _LIST_ENTRY *Flink; // offset: 0x0 (0)

with nested anonymous structures, whose offsets count from the start of the outermost. They have no variables.
"""

import re

BASE_TYPES = {
    "char": (1, True, "char"), "unsigned char": (1, False, "char"), "short": (2, True, "int"), "unsigned short": (2, False, "int"),
    "long": (4, True, "int"), "unsigned long": (4, False, "int"), "long long": (8, True, "int"),
    "unsigned long long": (8, False, "int"), "wchar": (2, False, "int"), "void": (0, True, "void"),
}
STDINT = {"int8_t": "char", "uint8_t": "unsigned char", "int16_t": "short", "uint16_t": "unsigned short", "int32_t": "long",
          "uint32_t": "unsigned long", "int64_t": "long long", "uint64_t": "unsigned long long", "void": "void", "wchar_t": "wchar",
          "float": "long", "double": "long long", "char": "char", "uintptr_t": "unsigned long long"}

SIZE = re.compile(r"// 0x[0-9a-f]+ \((\d+)\) bytes")
START = re.compile(r"(struct|union|enum) (\w+) \{(\};)?$")
TYPEDEF = re.compile(r"typedef (\w+) (\w+);")
MEMBER = re.compile(r"(?:volatile |const )*(?:(struct|union|enum) )?(\w+) (\**)(?:volatile )?(\w+)((?:\[\d+\])*)(?: : (\d+))?;"
                    r"\s*// offset: 0x[0-9a-f]+ \((\d+)\)")
FUNCTION = re.compile(r".*\(\*(\w+)\)\(.*;\s*// offset: 0x[0-9a-f]+ \((\d+)\)")
CLOSE = re.compile(r"\}(?: (\w+)(?:\[\d+\])*)?;")
ENUMERATOR = re.compile(r"(\w+) = (-?\w+),?$")


def base_types(pointer):
    types = {name: {"endian": "little", "kind": kind, "signed": signed, "size": size}
             for name, (size, signed, kind) in BASE_TYPES.items()}
    types["pointer"] = {"endian": "little", "kind": "int", "signed": False, "size": pointer}
    return types


class Reader:
    def __init__(self):
        self.types, self.enums, self.typedefs = {}, {}, {}
        self.size = 0

    def read(self, text):
        lines = iter(line.strip() for line in text.splitlines())
        for line in lines:
            if match := SIZE.match(line):
                self.size = int(match[1])
            elif match := TYPEDEF.match(line):
                self.typedefs[match[2]] = match[1]
            elif match := START.match(line):
                kind, name, empty = match.groups()
                if kind == "enum":
                    self.enums[name] = self.enum(lines)
                else:
                    fields = {} if empty else self.members(lines, kind)
                    self.types[name] = {"kind": kind, "size": self.size, "fields": fields}
        return self

    def enum(self, lines):
        constants = {}
        for line in lines:
            if line.startswith("}"):
                break
            if match := ENUMERATOR.match(line):
                constants[match[1]] = int(match[2], 0)
        return {"base": "long", "size": self.size or 4, "constants": constants}

    def members(self, lines, kind):
        """Up to the closing brace. Anonymous parts become members of the whole; named ones are left out."""
        fields, unit, used = {}, None, 0
        for line in lines:
            if line.startswith(("struct {", "union {")):
                inner = self.members(lines, line.split()[0])
                if self.closed_name is None:
                    fields.update(inner)
            elif line.startswith("}"):
                self.closed_name = CLOSE.match(line)[1] if CLOSE.match(line) else None
                return fields
            elif match := MEMBER.match(line):
                tag, type_name, stars, name, counts, bits, offset = match.groups()
                node = self.node(tag, type_name, stars)
                for count in reversed(re.findall(r"\d+", counts)):
                    node = {"kind": "array", "count": int(count), "subtype": node}
                if bits:
                    used = used if kind == "struct" and unit == offset else 0
                    node = {"kind": "bitfield", "bit_position": used, "bit_length": int(bits), "type": node}
                    unit, used = offset, used + int(bits)
                fields[name] = {"offset": int(offset), "type": node}
            elif match := FUNCTION.match(line):
                fields[match[1]] = {"offset": int(match[2]), "type": {"kind": "pointer", "subtype": {"kind": "base", "name": "void"}}}
        return fields

    def node(self, tag, name, stars):
        if tag:
            node = {"kind": tag, "name": name}
        else:
            while name in self.typedefs:
                name = self.typedefs[name]
            node = {"kind": "base", "name": STDINT.get(name.lower(), STDINT.get(name, "void"))}
        for _ in stars:
            node = {"kind": "pointer", "subtype": node}
        return node


def read_header(text, pointer):
    """The header's types as the parts of a table; its symbols are yet to be given places."""
    reader = Reader().read(text)
    return {"base_types": base_types(pointer), "user_types": reader.types, "enums": reader.enums, "symbols": {}}
