"""What `poolkd sites` finds in drivers, held against the truth: tables of sites of known drivers (truth/*.tsv), and for the lab's
own, which are built anew each time, what `pool_calls.py` finds its slow way. Prints a table of both.

Every tag and every site that poolkd tells must be right; of the pool's calls it must find 98 %, of the constant tags 95 %.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from pool_calls import ROUTINES, PoolCalls, tag_text

HERE = pathlib.Path(__file__).resolve().parent
POOLKD = os.environ["POOLKD"]
DRIVERS = pathlib.Path(os.environ.get("POOLKD_SHARED_DATA", HERE.parents[2] / "shared" / "data")) / "drivers"
LAB = pathlib.Path(os.environ.get("POOLKD_LAB_IMAGES", HERE.parents[1] / "build" / "dev" / "lab"))
LEAST_RECALL, LEAST_TAGS = 0.98, 0.95
LIMIT = 120  # seconds for one file
os.environ["POOLKD_SITE_CACHE"] = ""  # what is held against the truth is found anew each time


@dataclasses.dataclass
class Site:
    kind: str
    api: str
    tag: str  # as text, "-" for none
    how: str
    via: tuple
    size: int | None
    pool_type: int | None


def from_table(path):
    """The file it is about, its SHA-256, and its sites by RVA."""
    file = digest = None
    sites = collections.defaultdict(list)
    for line in path.read_text().splitlines():
        if line.startswith("# drivers/"):
            file = line.removeprefix("# drivers/")
        elif line.startswith("# sha256 "):
            digest = line.removeprefix("# sha256 ")
        elif not line.startswith("#"):
            rva, kind, api, tag, how, via, size, pool_type = line.split("\t")
            number = lambda text: None if text == "-" else int(text, 16)
            sites[int(rva, 16)].append(Site(kind, api, tag, how, () if via == "-" else tuple(int(one, 16) for one in via.split(",")),
                                            number(size), number(pool_type)))
    return file, digest, sites


def from_code(calls):
    sites = collections.defaultdict(list)
    for call in calls.calls:
        sites[call.rva].append(Site(call.kind, call.api, tag_text(call.tag), call.source, call.via, call.size, call.pool_type))
    return sites


def from_poolkd(path):
    result = subprocess.run([POOLKD, "sites", "--all", "--json", str(path)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
    if result.returncode != 0:
        raise AssertionError(f"{path}: exit code {result.returncode}\n{result.stderr}")
    module, = json.loads(result.stdout)["modules"]
    sites = collections.defaultdict(list)
    for one in module["sites"]:
        sites[one["rva"]].append(Site(one["kind"], one["api"], tag_text(one["value"]), one["tag_source"],
                                      tuple(step["rva"] for step in one["via"]), one["size"], one["pool_type"]))
    return sites


@dataclasses.dataclass
class Row:
    file: str
    sites: int = 0
    found: int = 0
    constants: int = 0
    resolved: int = 0
    faults: list = dataclasses.field(default_factory=list)  # sentences
    missing: list = dataclasses.field(default_factory=list)

    def line(self):
        return f"{self.file:44} {self.sites:6} {self.found:6} {self.constants:10} {self.resolved:9} {len(self.faults):7}"


def compare(name, truth, found, calls):
    """`calls`: what the slow way knows of the file, for routines that the truth does not count."""
    row = Row(name)
    for rva, wanted in sorted(truth.items()):
        got = found.get(rva, [])
        row.sites += len(wanted)
        for one in wanted:
            same = [other for other in got if (other.kind, other.api) == (one.kind, one.api)]
            row.found += bool(same)
            known = [other for other in same if other.tag == one.tag and other.how == one.how]
            if one.how in ("constant", "fixed"):
                row.constants += 1
                row.resolved += bool(known)
            if not known:
                row.missing.append(f"{name}: {rva:x}: {one}, told {got}")
        for one in got:
            row.faults += faults_of(name, rva, one, wanted)
    for rva, got in sorted(found.items()):
        if rva not in truth:
            row.faults += [f"{name}: {rva:x}: invented {one}" for one in got if not is_other_routine(rva, one, calls)]
    return row


def faults_of(name, rva, told, wanted):
    """What is wrong in a site that poolkd tells; saying nothing is not wrong."""
    alike = [one for one in wanted if (one.kind, one.api) == (told.kind, told.api)]
    if not alike:
        return [f"{name}: {rva:x}: {told}, but it is {wanted}"]
    faults = []
    if told.tag != "-" and told.tag not in {one.tag for one in alike}:
        faults.append(f"{name}: {rva:x}: wrong tag {told}, but it is {alike}")
    if told.how == "parameter" and all(one.how != "parameter" for one in alike):
        faults.append(f"{name}: {rva:x}: no wrapper {told}, but it is {alike}")
    for field in ("size", "pool_type"):
        value, true = getattr(told, field), {getattr(one, field) for one in alike}
        if value is not None and None not in true and value not in true:
            faults.append(f"{name}: {rva:x}: wrong {field} {told}, but it is {alike}")
    if told.via not in {one.via for one in alike}:
        faults.append(f"{name}: {rva:x}: wrong wrappers {told}, but it is {alike}")
    return faults


def is_other_routine(rva, told, calls):
    """A call of a routine that the truth does not count, which the slow way sees as well."""
    return told.api not in ROUTINES and any(function.instructions[at].rva == rva for function, at in calls.callers.get(told.api, ()))


class Sites(unittest.TestCase):
    def check(self, title, rows):
        total = Row("all")
        print(f"\n{title:44} {'sites':>6} {'found':>6} {'const tags':>10} {'resolved':>9} {'wrong':>7}")
        for row in rows:
            print(row.line())
            for field in ("sites", "found", "constants", "resolved"):
                setattr(total, field, getattr(total, field) + getattr(row, field))
            total.faults += row.faults
            total.missing += row.missing
        print(total.line(), flush=True)
        print("\n".join(total.missing))
        self.assertEqual(total.faults, [], "\n" + "\n".join(total.faults))
        self.assertGreater(total.sites, 0)
        self.assertGreaterEqual(total.found, LEAST_RECALL * total.sites)
        self.assertGreaterEqual(total.resolved, LEAST_TAGS * total.constants)


class LabDrivers(Sites):
    def test_every_image_of_the_lab(self):
        for machine in ("x64/era10/seed0", "x86/era10/seed0"):
            images = sorted((LAB / machine).glob("*.sys")) + [LAB / machine / "ntoskrnl.exe"]
            self.assertGreater(len(images), 5, f"the lab's images are not in {LAB / machine}")
            rows = []
            for image in images:
                calls = PoolCalls(image)
                rows.append(compare(image.name, from_code(calls), from_poolkd(image), calls))
            self.check(f"The lab, {machine}", rows)


    def test_the_command_line(self):
        folder = LAB / "x64/era10/seed0"
        leaky, late = str(folder / "leaky.sys"), str(folder / "late.sys")

        def run(*words):
            return subprocess.run([POOLKD, "sites", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)

        answer = run(leaky)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        self.assertIn("leaky!LeakyBuildReport+0x", answer.stdout)
        self.assertIn("report.cpp:", answer.stdout, "the PDB beside the file names its lines")
        self.assertNotIn("ExFreePoolWithTag", answer.stdout)
        self.assertIn("ExFreePoolWithTag", run("--all", leaky).stdout)
        answer = run("--tag", "Lat?", leaky, late)
        self.assertNotIn("leaky.sys", answer.stdout, "nothing of it is asked for")
        self.assertIn("late!DriverEntry", answer.stdout)
        self.assertIn("2 modules: ", answer.stdout)
        self.assertEqual(json.loads(run("--unresolved", "--json", leaky).stdout)["modules"][0]["sites"], [])
        answer = run(str(folder / "nosuch.sys"), late, __file__)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("late!DriverEntry", answer.stdout, "the others are looked through all the same")
        self.assertIn("nosuch.sys: There is no such file", answer.stderr)
        self.assertIn(f"{__file__}: This is not a PE image", answer.stderr)
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("--nosuch", leaky).returncode, 2)
        self.assertEqual(run("--tag", "TooLong", leaky).returncode, 2)


    def test_the_cache(self):
        leaky = str(LAB / "x64/era10/seed0/leaky.sys")
        with tempfile.TemporaryDirectory() as home:
            def run(*words, **more):
                environment = {name: value for name, value in os.environ.items() if name not in ("POOLKD_SITE_CACHE", "XDG_CACHE_HOME")}
                environment.update(HOME=home, **more)
                return subprocess.run([POOLKD, "sites", "--all", "--json", *words, leaky], stdin=subprocess.DEVNULL, capture_output=True,
                                      text=True, timeout=LIMIT, env=environment).stdout

            cache = pathlib.Path(home, ".cache/poolkd/sites")
            first = run("--no-cache")
            self.assertEqual(run(POOLKD_SITE_CACHE=""), first)
            self.assertFalse(cache.exists(), "nothing is kept where it is switched off")
            self.assertEqual(run(), first)
            files = [path for path in cache.rglob("*") if path.is_file()]
            self.assertEqual(len(files), 1, files)
            kept = files[0].stat()
            self.assertEqual(run(), first)
            self.assertEqual(files[0].stat().st_mtime_ns, kept.st_mtime_ns, "it is taken from there")
            files[0].write_bytes(files[0].read_bytes()[:-1])
            self.assertEqual(run(), first)
            self.assertEqual(files[0].stat().st_size, kept.st_size, "what is damaged is written anew")
            other = pathlib.Path(home, "elsewhere")
            self.assertEqual(run(POOLKD_SITE_CACHE=str(other)), first)
            self.assertTrue(other.is_dir())


class KnownDrivers(Sites):
    def setUp(self):
        if not DRIVERS.is_dir():
            self.skipTest(f"no drivers in {DRIVERS}")

    def test_every_table(self):
        rows = []
        for table in sorted((HERE / "truth").glob("*.tsv")):
            file, digest, truth = from_table(table)
            image = DRIVERS / file
            self.assertEqual(hashlib.sha256(image.read_bytes()).hexdigest(), digest, f"{image} is another file than {table.name} is about")
            calls = PoolCalls(image)
            self.assertEqual(from_code(calls), truth, f"the slow way finds other sites than {table.name} has")
            rows.append(compare(file, truth, from_poolkd(image), calls))
        self.check("Known drivers", rows)


if __name__ == "__main__":
    outcome = unittest.main(exit=False).result
    for _, why in outcome.skipped:  # as GoogleTest tells it, for ctest and the summary
        print(f"sites_test.py: Skipped\n{why}")
    sys.exit(not outcome.wasSuccessful())
