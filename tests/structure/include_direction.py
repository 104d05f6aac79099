"""Checks that no file of src/ includes from a higher floor or from a neighbour on its own floor.

The floors are read from the table of ARCHITECTURE.md, so that page and tree cannot drift apart. The link lists of
src/CMakeLists.txt are held to the same order. Prints one line for each offence; exit code 1 when there is any.
"""

import re
import sys
from pathlib import Path

TABLE_ROW = re.compile(r"^\|\s*(\d+)\s*\|([^|]*)\|")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]*)"')
LINK_LIST = re.compile(r"poolkd_floor\(\s*(\w+)([^)]*)\)")


def read_floors(page):
    """Folder name to floor number, from the rows `| 3 | `target` | ...` of the table in section 1."""
    floors = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        row = TABLE_ROW.match(line)
        if row:
            for folder in re.findall(r"`(\w+)`", row[2]):
                floors[folder] = int(row[1])
    return floors


def offence(floors, here, there):
    """Why a file of folder `here` may not use folder `there`; None when it may."""
    if there not in floors:
        return f"'{there}' is no folder of ARCHITECTURE.md's floors; write \"floor/file.h\""
    if here == there or floors[there] < floors[here]:
        return None
    where = "a neighbour on" if floors[there] == floors[here] else "above"
    return f"{there} (floor {floors[there]}) is {where} floor {floors[here]}, where {here} is"


def check_includes(root, floors):
    for file in sorted((root / "src").rglob("*")):
        if file.suffix not in (".h", ".cpp"):
            continue
        name = file.relative_to(root)
        folder = name.parts[1]
        if folder not in floors:
            yield f"{name}: '{folder}' is not in the table of floors in ARCHITECTURE.md"
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            include = INCLUDE.match(line)
            why = offence(floors, folder, include[1].partition("/")[0]) if include else None
            if why:
                yield f"{name}:{number}: {line.strip()}: {why}"


def check_link_lists(root, floors):
    text = (root / "src" / "CMakeLists.txt").read_text(encoding="utf-8")
    for name, arguments in LINK_LIST.findall(text):
        if name not in floors:
            yield f"src/CMakeLists.txt: '{name}' is not in the table of floors in ARCHITECTURE.md"
            continue
        linked = re.search(r"\bFLOORS\b((?:\s+[a-z]\w*\b(?!::))*)", arguments)
        for lower in linked[1].split() if linked else ():
            why = offence(floors, name, lower)
            if why:
                yield f"src/CMakeLists.txt: {name} links {lower}: {why}"


def check(root):
    floors = read_floors(root / "ARCHITECTURE.md")
    if not floors:
        return ["ARCHITECTURE.md: no table of floors found"]
    return [*check_includes(root, floors), *check_link_lists(root, floors)]


if __name__ == "__main__":
    offences = check(Path(sys.argv[1]))
    for line in offences:
        print(line)
    sys.exit(1 if offences else 0)
