"""Assembling into a running driver, parameters on its stacks, and ranges of memory: against the practice kernel."""

import re
import unittest

from lab import LiveTest


class CodeTest(LiveTest):
    def at_the_leaking_allocation(self, debugger):
        """Stops in the allocator, called by the driver's reports; returns the address behind the call."""
        debugger.type("ed nt!poolhittag ' cbA'")
        for _ in range(60):
            debugger.type("g")
            stack = debugger.type("kb")
            caller = re.search(r"(\S+) +: .*\n.*leaky!LeakyBuildReport", stack)
            if "ExAlloc" in stack and caller:
                debugger.type("ed nt!poolhittag 0")
                return int(caller[1].replace("`", ""), 16)
        self.fail("the driver does not allocate reports")

    def test_a_call_site_gets_a_tag_of_its_own_and_its_old_one_back(self):
        self.start_lab("page", "--arch", "x64")
        debugger = self.debug()
        site = self.at_the_leaking_allocation(debugger)
        rows = debugger.type(f"ub {site:x} L8")
        load = re.search(r"^(\S+) (\w+) +mov +r8d,20636241h$", rows, re.M)
        self.assertIsNotNone(load, rows)
        address, old = load[1], load[2]
        shown = debugger.type(f"a {address} mov r8d,31636241")
        self.assertRegex(shown, re.escape(address) + r" 41b841626331 +mov +r8d,31636241h")
        self.assertNotIn("left behind", shown)
        self.assertIn("a mov r8d,31636241", debugger.type(".writes"))
        debugger.go_until(lambda _: debugger.json("!poolused 0 Abc1")["tags"], "blocks of the new tag")
        own = debugger.json("!poolused 0 Abc1")["tags"][0]["paged"]
        self.assertGreater(own["outstanding"], 0)
        # A copy of a row of the listing goes back in, and the undone code allocates under the old tag.
        debugger.type(".undo")
        self.assertIn(old, debugger.type(f"u {address} L1"))
        allocations = lambda: debugger.json("!poolused 0 Abc ")["tags"][0]["paged"]["allocs"]
        before = allocations()
        debugger.go_until(lambda _: allocations() > before, "blocks of the old tag")
        self.assertEqual(debugger.json("!poolused 0 Abc1")["tags"][0]["paged"]["outstanding"], own["outstanding"])
        self.assertEqual(debugger.quit("qd")[0], 0)

    def test_every_row_of_the_kernels_allocator_assembles_to_itself(self):
        self.start_lab("page", "--arch", "x64")
        debugger = self.debug()
        listing = debugger.type("uf nt!ExAllocatePoolWithTag")
        rows = re.findall(r"^([0-9a-f`]{17}) ([0-9a-f]+) +(\S.*)$", listing, re.M)
        self.assertGreater(len(rows), 10, listing)
        for address, old, text in rows[:60]:
            text = text.removesuffix("  Branch")
            answer = debugger.type(f"a {address} {text}")
            # The same meaning in the same room: then nothing was written that the code would notice.
            self.assertRegex(answer, re.escape(address) + " [0-9a-f]+ ", f"{text}\n{answer}")
            if len(answer.split()[1]) != len(old):
                debugger.type(".undo")
        again = debugger.type("uf nt!ExAllocatePoolWithTag")
        meaning = lambda text: [row[2].split() for row in re.findall(r"^([0-9a-f`]{17}) ([0-9a-f]+) +(\S.*)$", text, re.M)]
        self.assertEqual(meaning(again), meaning(listing))
        debugger.type("g /for 1")
        self.assertEqual(debugger.quit("qd")[0], 0)

    def test_line_after_line(self):
        self.start_lab("page", "--arch", "x64")
        debugger = self.debug()
        debugger.process.stdin.write("a nt!ExAllocatePoolWithTag\nnop\nint 3\n\n")
        self.assertRegex(debugger.type("u nt!ExAllocatePoolWithTag L2"), r"90 +nop\n\S+ cc +int +3")
        debugger.type(".undo *")
        self.assertEqual(debugger.quit("qd")[0], 0)

    def test_parameters_of_the_drivers_functions(self):
        self.start_lab("page", "--arch", "x64")
        debugger = self.debug()
        self.at_the_leaking_allocation(debugger)
        stack = debugger.type("kp")
        self.assertRegex(stack, r"leaky!LeakyBuildReport\([^()]*\)\+0x")
        frames = debugger.json("kp")["frames"]
        # A parameter that the driver's source does not name is not left out.
        self.assertNotIn("(void)", debugger.type("bp bgwork!BgServe; g; bc *; kp").split("bgwork!BgWorker")[1].split("\n")[0])
        report = next(frame for frame in frames if "LeakyBuildReport" in frame["site"])
        self.assertIn("parameters", report)
        # In the allocator's own first instructions its arguments are in the registers that the protocol tells.
        debugger.type("bp nt!ExAllocatePoolWithTag; g; bc *")
        entry = debugger.json("kp 1")["frames"][0]
        self.assertIn("ExAllocatePoolWithTag", entry["site"])
        tag = next(one for one in entry["parameters"] if "ag" in one["name"])
        self.assertEqual(tag["state"], "known")
        self.assertEqual(int(tag["value"], 16), debugger.value("@r8d") & 0xFFFFFFFF)
        self.assertEqual(debugger.quit("qd")[0], 0)

    def test_fill_compare_move(self):
        self.start_lab("page", "--arch", "x64")
        debugger = self.debug()
        place = debugger.value("leaky!LeakyReportBlocks") & ~0xF
        debugger.type(f"m {place:x} L10 {place + 8:x}")
        debugger.type(".undo")
        self.assertEqual(debugger.type(f"f {place:x} L4 11 22"), "Filled 0x4 bytes\n")
        self.assertRegex(debugger.type(f"db {place:x} L4"), "11 22 11 22")
        debugger.type(".undo")
        self.assertEqual(debugger.type(f"c {place:x} L10 {place:x}"), "")
        self.assertEqual(debugger.quit("qd")[0], 0)


if __name__ == "__main__":
    unittest.main()
