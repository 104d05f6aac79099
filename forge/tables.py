"""Symbol tables: what a kernel's types and variables are called, and where they lie.

A table is Volatility's intermediate symbol format (ISF), schema 6: a JSON object with `base_types`, `user_types`, `enums`,
`symbols` (addresses relative to the image) and `metadata`. It may be packed as .xz or .gz.
"""

import dataclasses
import gzip
import json
import lzma
import pathlib


class TableError(Exception):
    """The table lacks what an image needs, or is none."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """Where a number stands in a record."""
    offset: int
    size: int
    bit_position: int = 0
    bit_count: int = 0


class Table:
    def __init__(self, isf, source):
        try:
            self.types, self.enums = isf["user_types"], isf["enums"]
            self.symbols, self.base_types = isf["symbols"], isf["base_types"]
            windows = isf["metadata"]["windows"]
            self.pdb = windows["pdb"]
            self.pointer = self.base_types["pointer"]["size"]
        except (KeyError, TypeError) as error:
            raise TableError(f"{source}: no symbol table of an NT kernel (it lacks {error})") from error
        self.build = windows.get("pe", {}).get("build")
        self.source = source

    # --- types

    def has_type(self, name):
        return name in self.types and self.types[name]["size"] > 0

    def size(self, name):
        if not self.has_type(name):
            raise TableError(f"{self.source}: no type {name}")
        return self.types[name]["size"]

    def has(self, type_name, member):
        return type_name in self.types and member in self.types[type_name]["fields"]

    def first_of(self, type_name, *members):
        """The one of several names that the type has; None when it has none."""
        return next((name for name in members if self.has(type_name, name)), None)

    def slot(self, type_name, path):
        """Of a member, or of a member's member: `ProcessorState.ContextFrame`, `Heaps[2]`."""
        offset, node = 0, {"kind": "struct", "name": type_name}
        for step in path.replace("[", ".[").split("."):
            if step.startswith("["):
                node = node["subtype"]
                offset += int(step[1:-1]) * self.size_of(node)
                continue
            member = self.types.get(node.get("name"), {"fields": {}})["fields"].get(step)
            if member is None:
                raise TableError(f"{self.source}: {node.get('name')} has no member {step}")
            offset, node = offset + member["offset"], member["type"]
        if node["kind"] == "bitfield":
            return Slot(offset, self.size_of(node["type"]), node["bit_position"], node["bit_length"])
        return Slot(offset, self.size_of(node))

    def offset(self, type_name, path):
        return self.slot(type_name, path).offset

    def size_of(self, node):
        kind = node["kind"]
        if kind == "pointer":
            return self.pointer
        if kind == "array":
            return node["count"] * self.size_of(node["subtype"])
        if kind == "bitfield":
            return self.size_of(node["type"])
        if kind == "base":
            return self.base_types[node["name"]]["size"]
        if kind == "enum":
            return self.enums[node["name"]]["size"]
        return self.types[node["name"]]["size"] if node["name"] in self.types else 0

    def constant(self, enum, name):
        return self.enums.get(enum, {"constants": {}})["constants"].get(name)

    # --- variables

    def has_symbol(self, name):
        return name in self.symbols

    def rva(self, name):
        if name not in self.symbols:
            raise TableError(f"{self.source}: no symbol {name}")
        return self.symbols[name]["address"]


def open_packed(path):
    path = pathlib.Path(path)
    opener = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    return opener(path, "rt", encoding="utf-8")


def load(path):
    try:
        with open_packed(path) as file:
            return json.load(file)
    except (OSError, ValueError, EOFError, lzma.LZMAError) as error:
        raise TableError(f"{path}: {error}") from error


def write_for_symbol_path(isf, folder):
    """Where a symbol path with that folder finds the table by the identity that stands in the image."""
    pdb = isf["metadata"]["windows"]["pdb"]
    place = pathlib.Path(folder) / pdb["database"]
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{pdb['GUID'].upper()}-{pdb['age']}.json").write_text(json.dumps(isf), encoding="utf-8")
