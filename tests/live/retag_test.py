"""`!retag`: each call site of a tag gets one of its own. The kernel bug checks on any mistake, and the drivers count what they
do at each site."""

import time
import unittest

import cast
from lab import GO_LIMIT, LiveTest

SITES = ("Report", "Event", "Stream")
FUNCTIONS = {"Report": "LeakyBuildReport", "Event": "LeakyQueueEvent", "Stream": "LeakyAllocateBuffer"}
FREES = 1500  # of the driver, each of which would stop the machine
NOTHING_TO_SEPARATE = "There is nothing to separate"


def rows_by_function(state):
    """Of a tag's state: the row of each function that allocates."""
    return {row["sites"].split("!")[1].split("+")[0]: row for row in state["allocations"]}


def total(row):
    """Blocks and bytes in use, of either pool."""
    return tuple(row["nonpaged"][what] + row["paged"][what] for what in ("outstanding", "bytes"))


class RetagOn:
    def state(self, debugger, tag="Abc "):
        return next(state for state in debugger.json("!retag")["tags"] if state["tag"] == tag)

    def retag(self, debugger, arguments):
        """Where a thread has taken the old tag for a free, the target runs for a moment first."""
        shown = lambda: any("in hand for a free" in obstacle["why"] for obstacle in answer["obstacles"])
        answer = debugger.json(f"!retag {arguments}")
        end = time.monotonic() + GO_LIMIT
        while shown():
            self.assertLess(time.monotonic(), end, answer)
            debugger.type("g /for 0.05")
            answer = debugger.json(f"!retag {arguments}")
        return answer

    def counters(self, debugger):
        return {site: tuple(debugger.value(f"qwo(leaky!Leaky{site}{what})") for what in ("Blocks", "Bytes")) for site in SITES}

    def to_a_quiet_place(self, debugger):
        """Where the driver's counters and the kernel's agree: it has one thread."""
        self.assertNotIn("Fatal System Error", debugger.type("g leaky!LeakyOpenStream"))

    def run_on(self, debugger, counter="leaky!LeakyFrees", count=FREES):
        before = debugger.value(f"qwo({counter})")
        shown = debugger.go_until(lambda _: debugger.value(f"qwo({counter})") > before + count, "it frees")
        self.assertNotIn("Fatal System Error", shown)

    def undo(self, debugger, *tags):
        """Until only blocks are left that were never freed, then all of it."""
        def drained(_):
            answer = debugger.type("!retag /undo")
            return "stays" not in answer or "no free site will meet them" in " ".join(answer.split())
        debugger.go_until(drained, "the new tags drain", 0.3)
        debugger.type("!retag /undo /force")
        for state in debugger.json("!retag")["tags"]:
            self.assertFalse(state["open"], state)

    def test_each_site_tells_what_it_holds(self):
        self.start_lab("leak", *self.layout)
        debugger = self.debug()
        self.to_a_quiet_place(debugger)
        plan = debugger.json("!retag /plan Abc")
        self.assertTrue(plan["possible"], plan["obstacles"])
        self.assertEqual((len(plan["allocations"]), len(plan["frees"]), plan["writes"]), (3, 2, []), plan)
        self.assertIn("Nothing was written", debugger.type(".writes"))
        before = self.counters(debugger)
        applied = debugger.json("!retag Abc")
        self.assertEqual(len(applied["writes"]), 5)
        self.run_on(debugger)
        self.to_a_quiet_place(debugger)
        now = self.counters(debugger)
        state = self.state(debugger)
        rows = rows_by_function(state)
        self.assertEqual(set(rows), set(FUNCTIONS.values()))
        # Reports stay; of events and streams all that are left are newer than the tags.
        held = {site: total(rows[FUNCTIONS[site]]["usage"]) for site in SITES}
        self.assertEqual(held["Report"], tuple(a - b for a, b in zip(now["Report"], before["Report"])))
        self.assertEqual(held["Event"], now["Event"])
        self.assertEqual(held["Stream"], now["Stream"])
        self.assertEqual(total(state["old_usage"]), before["Report"])
        self.assertEqual(rows["LeakyBuildReport"]["usage"]["paged"]["frees"], 0)
        self.assertEqual((state["other_allocations"], state["other_frees"]), ([], []), state)
        self.assertIn("is retagged already", debugger.type("!retag Abc"))
        self.undo(debugger)
        self.run_on(debugger)
        debugger.quit()

    def test_at_any_place_and_after_a_killed_debugger(self):
        self.start_lab("leak", *self.layout)
        for _ in range(2):
            debugger = self.debug()
            debugger.type("g /for 0.1")
            self.assertEqual(len(self.retag(debugger, "Abc")["writes"]), 5)
            self.run_on(debugger, count=FREES // 4)
            debugger.kill()
            debugger = self.debug()
            # Beside them the tags of earlier rounds: their blocks may still be there.
            self.assertEqual(sum(not write["undone"] for write in debugger.json(".writes")["writes"]), 5)
            self.assertEqual(set(rows_by_function(self.state(debugger))), set(FUNCTIONS.values()))
            self.undo(debugger)
            self.run_on(debugger, count=FREES // 4)
            debugger.quit()


class RetagX64(RetagOn, LiveTest):
    arch = "x64"
    layout = ("--seed", "3", "--kaslr")

    def test_every_tag_of_the_cast(self):
        """Each is separated rightly, or refused for a reason that is true."""
        self.start_lab("hunt")
        debugger = self.debug()
        debugger.go_until(lambda _: debugger.value("qwo(leaky!LeakyFrees)") > 100, "the drivers work")
        separated, before = {}, {}
        for tag in sorted({memory.tag for memory in cast.CAST if memory.driver != "unloaded"}):
            named = f'"{tag}"' if tag.isprintable() else f"0x{int.from_bytes(tag.encode('latin-1'), 'little'):08x}"
            plan = self.retag(debugger, f"/plan {named}")
            whys = [obstacle["why"] for obstacle in plan["obstacles"]]
            if tag.startswith("Lk"):  # the list was prepared long ago; its record holds the tag that is passed
                self.assertIn("lookaside", plan["not_separable"][0]["why"])
            alone = len({memory.functions for memory in cast.of_tag(tag)}) == 1 and not plan["not_separable"]
            self.assertEqual([why for why in whys if not why.startswith(NOTHING_TO_SEPARATE)], [], (tag, plan))
            self.assertEqual(len(whys), 1 if alone else 0, (tag, plan))
            answer = debugger.json(f"!retag {'/force ' if alone else ''}{named}")
            self.assertTrue(answer["writes"], answer)
            separated[plan["value"]] = tag
            before[tag] = [cast.live(debugger, [memory]) for memory in cast.of_tag(tag)]
        self.assertIn("NetB", separated.values())
        self.run_on(debugger)
        for state in debugger.json("!retag")["tags"]:
            self.compare(debugger, separated[state["value"]], state, before)
        # Allocation sites go back at once. Free sites may wait for long, of drivers that leak slowly: 0 harms nothing there.
        debugger.type("!retag /undo")
        for state in debugger.json("!retag")["tags"]:
            self.assertTrue(all(row["undone"] for row in state["allocations"]), state)
        self.run_on(debugger)
        debugger.type("!retag /undo")
        self.run_on(debugger)
        debugger.quit()

    def compare(self, debugger, tag, state, before):
        """What leaks has the driver's own numbers, but for a block that is handed out at this moment."""
        for memory, (blocks, size) in zip(cast.of_tag(tag), before[tag]):
            if not memory.leaks:
                continue
            rows = [row for row in state["allocations"] if not memory.functions or memory.functions[0] in row["sites"]]
            self.assertEqual(len(rows), 1, (memory, state))
            now = cast.live(debugger, [memory])
            held = total(rows[0]["usage"])
            self.assertAlmostEqual(held[0], now[0] - blocks, delta=2, msg=(memory, state))
            self.assertAlmostEqual(held[1], now[1] - size, delta=2 * memory.largest, msg=(memory, state))
            self.assertGreater(now[0], blocks, memory)


class RetagX86(RetagOn, LiveTest):
    arch = "x86"
    layout = ("--seed", "2")


if __name__ == "__main__":
    unittest.main()
