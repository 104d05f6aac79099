"""Where a symbol table comes from: facts that are part of the project, Volatility's tables, C headers."""

import pathlib
import random
import re

import addresses
import c_headers
import tables

FOLDER = pathlib.Path(__file__).resolve().parent / "layouts"
HEADER_NAME = re.compile(r"\d+\.\d+\.(\d+)(?:\.\d+)?-(x64|x86)\.h")


def facts():
    return sorted(path.stem for path in (FOLDER).glob("*.json"))


def table_of(name, isf_path, header, build=None, seed=1):
    """The table by one of the three, as JSON, and the build it is of. The seed places what headers do not."""
    if header:
        path = pathlib.Path(header)
        match = HEADER_NAME.match(path.name)
        if not match:
            raise tables.TableError(f"{path}: the name of a header tells version and machine, as 6.1.7601.17514-x86.h does")
        build, pointer = build or int(match[1]), 8 if match[2] == "x64" else 4
        with tables.open_packed(path) as file:
            isf = c_headers.read_header(file.read(), pointer)
        chosen = random.Random(seed)
        isf["symbols"] = addresses.plan(isf, build, chosen)
        isf["metadata"] = {"format": "6.2.0", "windows": {"pdb": {
            "GUID": f"{chosen.getrandbits(128):032X}", "age": 1, "database": "ntkrnlmp.pdb" if pointer == 8 else "ntkrnlpa.pdb",
            "machine_type": 0x8664 if pointer == 8 else 0x14C}, "pe": {"major": 0, "minor": 0, "revision": 0, "build": build}}}
        return isf, build
    if name and name not in facts():
        raise tables.TableError(f"there are no facts of '{name}'; there are those of {', '.join(facts())}")
    isf = tables.load(isf_path or FOLDER / f"{name}.json")
    return isf, build or build_of(isf)


def build_of(isf):
    """Volatility's tables do not say; those that facts were taken of are known."""
    windows = isf.get("metadata", {}).get("windows", {})
    if "build" in windows.get("pe", {}):
        return windows["pe"]["build"]
    for name in facts():
        known = tables.load(FOLDER / f"{name}.json")["metadata"]["windows"]
        if known["pdb"]["GUID"] == windows.get("pdb", {}).get("GUID"):
            return known["pe"]["build"]
    raise tables.TableError("the table does not say which build it is of: say it with --build")
