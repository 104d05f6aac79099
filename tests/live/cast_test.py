#!/usr/bin/env python3
"""The drivers of the scenario `hunt`: their own counters are what the pool counts, live and in an image of the machine's memory,
what leaks grows, and what must balance does."""

import json
import pathlib
import re

import lab
from cast import CAST, DRIVERS, LEAKING_TAGS, UNLOADED_BLOCKS, UNLOADED_REQUEST, live, of_tag

# Drivers whose counters can be read: all but the one that has left.
COUNTED_TAGS = sorted({memory.tag for memory in CAST if memory.counters})


class Cast(lab.LiveTest):
    def rows(self, debugger):
        table = debugger.json("!poolused 0")
        self.assertTrue(table["coverage"]["complete"], table["coverage"])
        return {row["value"]: row for row in table["tags"]}

    def usage(self, rows, memory):
        """Blocks and bytes of a tag; one without a row has none."""
        row = rows.get(memory.value)
        pool = row and row[memory.pool.lower()]
        return (pool["outstanding"], pool["bytes"]) if pool else (0, 0)

    def counters_agree(self, debugger, at_work=True):
        """A thread at work may be between the pool and its counters."""
        rows = self.rows(debugger)
        held = {}
        for tag in COUNTED_TAGS:
            memories = of_tag(tag)
            used, counted = self.usage(rows, memories[0]), live(debugger, memories)
            if at_work:
                in_flight = sum(memory.in_flight for memory in memories)
                self.assertAlmostEqual(used[0], counted[0], delta=in_flight, msg=tag)
                self.assertAlmostEqual(used[1], counted[1], delta=in_flight * memories[0].largest, msg=tag)
            else:
                self.assertEqual(used, counted, tag)
            held[tag] = used[0]
        for memory in CAST:
            if memory.counters and not memory.leaks:
                self.assertLessEqual(live(debugger, [memory])[0], memory.at_most, memory)
        return rows, held

    def has_left(self, modules):
        return "unloaded.sys" in [module["name"] for module in modules["unloaded"]] and \
            "unloaded" not in [module["name"] for module in modules["modules"]]

    def the_driver_has_left(self, debugger):
        """Its pages and its image are gone, its name and its blocks are not."""
        modules = debugger.json("lm")
        self.assertEqual({module["name"] for module in modules["modules"]}, set(DRIVERS) - {"unloaded"} | {"nt"})
        gone = [module for module in modules["unloaded"] if module["name"] == "unloaded.sys"]
        self.assertEqual(len(gone), 1, modules["unloaded"])
        rows = self.rows(debugger)
        unit = 2 * debugger.value("@$ptrsize")
        each = (UNLOADED_REQUEST + 2 * unit - 1) // unit * unit
        self.assertEqual(self.usage(rows, of_tag("UnRq")[0]), (UNLOADED_BLOCKS, UNLOADED_BLOCKS * each))
        self.assertEqual(self.usage(rows, of_tag("UnBu")[0]), (0, 0))
        # What a block of it begins with lies where the driver was.
        block = int(debugger.json("!poolfind UnRq 0")["blocks"][0]["address"], 16)
        self.assertIn("<Unloaded_unloaded.sys>+", debugger.type(f"ln poi({block:x}+{unit:x})"))

    def records(self, debugger):
        """Blocks found of what leaks paged pool, and pages that are not there."""
        shown = debugger.type("!poolfind PgRc 1 -total")
        found = [re.search(pattern, shown) for pattern in (r"PgRc: (\d+) blocks", r"(\d+) pages of pool are not present")]
        self.assertTrue(all(found), shown)
        return [int(match[1]) for match in found]

    def watch(self, *options):
        machine = self.start_lab("hunt", *options)
        debugger = lab.at_first_break(self.debug())
        self.assertIn("(export symbols)", debugger.type("ld nopdb; lm m nopdb"))
        _, first = self.counters_agree(debugger, at_work=False)

        debugger.go_until(lambda _: self.has_left(debugger.json("lm")), "unloaded.sys comes and goes", 3)
        self.the_driver_has_left(debugger)
        rows, later = self.counters_agree(debugger)
        for memory in CAST:
            if memory.leaks and memory.counters:
                self.assertGreater(later[memory.tag], first[memory.tag] + 20, memory)
            elif memory.counters and memory.value in rows and memory.tag != "WrNm":  # what has no row holds nothing
                self.assertGreater(rows[memory.value][memory.pool.lower()]["frees"], 0, memory)
        records, absent = self.records(debugger)
        self.assertGreater(absent, 0, "paged pool leaves memory")

        image = lab.Debugger(self, "-z", machine["memory_file"], "-y", machine["images"])
        in_image, _ = self.counters_agree(image)
        self.assertEqual(in_image, rows)
        self.the_driver_has_left(image)
        more_records, less_absent = self.records(image)  # which has the pages in transition
        self.assertGreaterEqual(more_records, records)
        self.assertLess(0, less_absent)
        self.assertLessEqual(less_absent, absent)
        self.assertEqual(image.quit()[0], 0)
        self.assertEqual(debugger.quit("qd")[0], 0)

    def test_x64(self):
        self.watch("--arch", "x64", "--seed", "0")

    def test_x64_permuted_on_two_processors(self):
        self.watch("--arch", "x64", "--seed", "3", "--kaslr", "--processors", "2")

    def test_x86(self):
        self.watch("--arch", "x86", "--seed", "1", "--kaslr")  # with PAE

    def test_the_code_has_the_call_sites_of_the_table(self):
        wrappers = lambda names: tuple(name for name in names if name != "TwAllocate")  # which is the same as an import's thunk
        for arch in ("x64", "x86"):
            images = pathlib.Path(self.start_lab("idle", "--arch", arch, name=arch)["images"])
            for driver in sorted({memory.driver for memory in CAST}):
                report = json.loads(self.poolkd("sites", str(images / f"{driver}.sys"), "--json").stdout)
                found = {(site["value"], site["function"] or "", wrappers(step["function"] for step in site["via"]))
                         for site in report["modules"][0]["sites"] if site["kind"] != "release" and site["value"] is not None}
                told = {(memory.value, function, wrappers(memory.wrappers)) for memory in CAST if memory.driver == driver
                        for function in memory.functions or ("",)}
                self.assertEqual(found, told, f"{arch} {driver}")

    def test_half_a_minute_tells_leaks_from_the_rest(self):
        report = json.loads(self.poolkd("verdict", "--lab=hunt", "--every", "1s", "--count", "31", "--all", "--json").stdout)
        verdicts = {row["value"]: row["verdict"] for row in report["rows"]}
        grew = {memory.tag: verdicts[memory.value] for memory in CAST if memory.leaks and memory.driver != "unloaded"}
        self.assertLessEqual(set(grew.values()), {"leaking", "growing"}, grew)
        self.assertGreaterEqual(list(grew.values()).count("leaking"), len(grew) / 2, grew)
        innocent = {memory.tag: verdicts.get(memory.value) for memory in CAST if memory.tag not in LEAKING_TAGS}
        self.assertFalse({"leaking", "growing"} & set(innocent.values()), innocent)


if __name__ == "__main__":
    lab.unittest.main()
