#!/usr/bin/env python3
"""Makes an image with a PDB of about 40 MB, some three times a kernel's: make_big_pdb.py FOLDER

Writes FOLDER/big.sys and FOLDER/big.pdb (and keeps them when they are there). Needs clang-19 and lld-link-19; takes
about a minute of two cores.
"""

import concurrent.futures
import pathlib
import random
import subprocess
import sys

FILES = 32
FUNCTIONS = 2500  # in each file: 80,000 in all
STRUCTURES = 500  # in each file: 16,000 in all


def source(index: int) -> str:
    rng = random.Random(index)
    lines = []
    for s in range(STRUCTURES):
        name = f"_BIG_{index}_{s}"
        lines.append(f"typedef struct {name} {{")
        lines.append(f"  struct {name}* Next{s};")
        for f in range(rng.randint(4, 12)):
            kind = rng.choice(["unsigned int Count", "unsigned long long Bytes", "unsigned char Tag", "short Flags"])
            suffix = rng.choice(["", "[4]", "[16]", " : 3"])
            lines.append(f"  {kind}{f}{suffix};")
        lines.append(f"}} BIG_{index}_{s};")
        lines.append(f"BIG_{index}_{s} BigTableOfFile{index}Number{s};")
    for f in range(FUNCTIONS):
        s = rng.randrange(STRUCTURES)
        lines.append(
            f"unsigned long long BigFunctionOfFile{index}WithNumber{f}(BIG_{index}_{s}* record, unsigned int size) "
            f"{{ unsigned int local{f} = size + {f}; return (unsigned long long)record + local{f}; }}"
        )
    return "\n".join(lines) + "\n"


def compile_one(folder: pathlib.Path, index: int) -> pathlib.Path:
    text = folder / f"big{index}.c"
    text.write_text(source(index))
    target = folder / f"big{index}.obj"
    subprocess.run(
        ["clang-19", "--target=x86_64-pc-windows-msvc", "-g", "-gcodeview", "-O0", "-ffreestanding", "-c", text, "-o", target],
        check=True,
    )
    return target


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "big.pdb").exists():
        return
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda i: compile_one(folder, i), range(FILES)))
    subprocess.run(
        ["lld-link-19", "/dll", "/nodefaultlib", "/noentry", "/debug", "/opt:noref", "/pdbaltpath:big.pdb",
         f"/out:{folder}/big.sys", *objects],
        check=True,
    )
    for index in range(FILES):
        (folder / f"big{index}.c").unlink()
        (folder / f"big{index}.obj").unlink()
    print(f"{folder}/big.pdb: {(folder / 'big.pdb').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
