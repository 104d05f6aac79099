"""Breakpoints, events and steps on a running kernel: each command of theirs, on both machines."""

import re
import unittest

from lab import LiveTest

# LeakyBuildReport counts each of its calls in LeakyReportBlocks before it returns: what was passed can be counted without
# a breakpoint.
FUNCTION = "leaky!LeakyBuildReport"
COUNTER = "leaky!LeakyReportBlocks"


class Breakpoints(LiveTest):
    arch = "x64"

    def begin(self, *options):
        self.start_lab(*(options or ("page",)))
        return self.debug()

    def count(self, debugger):
        return debugger.value(f"dwo({COUNTER})")

    def at(self, debugger, name):
        self.assertEqual(debugger.value("@$ip"), debugger.value(name), debugger.type("ln @$ip"))

    def rows(self, debugger):
        return {row["id"]: row for row in debugger.json("bl")["breakpoints"]}

    def test_software_breakpoints(self):
        debugger = self.begin()
        with self.subTest("the current instruction, and what a hit leaves in the code"):
            original = debugger.type(f"db {FUNCTION} L10")
            debugger.type(f"bp {FUNCTION}")
            self.assertIn(f"Breakpoint 0 hit\n{FUNCTION}:\n", debugger.type("g"))
            self.assertEqual(debugger.type(f"db {FUNCTION} L10"), original)
            self.assertEqual(debugger.type("bp"), "breakpoint 0 redefined\n")
            self.assertIn("Hit breakpoint 0", debugger.type(".lastevent"))
        with self.subTest("pass counts"):
            debugger.type(f"bc *; bp {FUNCTION} 5")
            before = self.count(debugger)
            self.assertIn("Breakpoint 0 hit", debugger.type("g"))
            self.assertEqual(self.count(debugger), before + 5)
            self.assertRegex(debugger.type("bl"), r" 0001 \(0005\) ")
        with self.subTest("steps do not count passes"):
            debugger.type(f"bc *; bp {FUNCTION} 3")
            before = self.count(debugger)
            debugger.type("pt")
            debugger.type("p")  # back in LeakyServeRequests
            self.assertEqual(self.count(debugger), before + 1)
            self.assertRegex(debugger.type("bl"), r" 0003 \(0003\) ")
            debugger.type("g")
            self.assertEqual(self.count(debugger), before + 3)
        with self.subTest("once"):
            debugger.type(f"bc *; bp /1 {FUNCTION}")
            self.assertIn("Breakpoint 0 hit", debugger.type("g"))
            self.assertEqual(debugger.type("bl"), "")
        with self.subTest("conditions"):
            for condition in (f"/w \"(dwo({COUNTER}) & 3) = 0\" {FUNCTION}",
                              f"{FUNCTION} \"j ((dwo({COUNTER}) & 3) = 0) ''; 'gc'\"",
                              f"{FUNCTION} \".if ((dwo({COUNTER}) & 3) = 0) {{}} .else {{gc}}\""):
                debugger.type(f"bc *; bp {condition}")
                counts = []
                for _ in range(3):
                    debugger.type("g")
                    self.at(debugger, FUNCTION)
                    counts.append(self.count(debugger))
                self.assertEqual([count % 4 for count in counts], [0, 0, 0], condition)
                self.assertEqual([counts[1] - counts[0], counts[2] - counts[1]], [4, 4], condition)
        with self.subTest("a condition that cannot be evaluated stops and says so"):
            debugger.type(f"bc *; bp /w \"poi(0)\" {FUNCTION}")
            self.assertRegex(debugger.type("g"), r"Breakpoint 0 hit\nThe condition 'poi\(0\)' cannot be evaluated")
        with self.subTest("thread and process"):
            debugger.type("bc *; bp nt!KeDelayExecutionThread")
            threads = set()
            for _ in range(12):
                debugger.type("g")
                threads.add(debugger.value("@$thread"))
            self.assertGreater(len(threads), 1)
            one = min(threads)
            debugger.type(f"bc *; bp /t {one:x} nt!KeDelayExecutionThread; bp /p {debugger.value('@$proc'):x} {FUNCTION}")
            self.assertRegex(debugger.type("bl"), r"Match thread data (?s:.*)Match process data ")
            stops = [debugger.json("g")["stop"] for _ in range(4)]
            self.assertTrue(all(int(stop["thread"], 16) & 0xFFFFFFFF == one & 0xFFFFFFFF for stop in stops if stop["breakpoint"] == 0), stops)
            debugger.type(f"bc *; bp /t 1000 {FUNCTION}")
            self.assertIn("Break instruction exception", debugger.type("g /for 0.5"))
        debugger.quit()

    def test_commands_of_breakpoints(self):
        debugger = self.begin()
        with self.subTest("gc goes on, and each hit is seen"):
            debugger.type(f"bp {FUNCTION} \"r $t0 = @$t0 + 1; gc\"")
            before = self.count(debugger)
            shown = debugger.go_until(lambda _: debugger.value("@$t0") > 5, "hits")
            self.assertIn("Break instruction exception", shown)
            # It may stand between the hit and the counter.
            self.assertIn(debugger.value("@$t0") - (self.count(debugger) - before), (0, 1))
        with self.subTest("gc keeps a step a step"):
            debugger.type(f"bc *; bp leaky!LeakyServeRequests+0 \"gc\"; bp {FUNCTION}; g")
            debugger.type("bp leaky!LeakyCount \".echo within; gc\"")
            debugger.type("gu")
            self.assertIn("leaky!LeakyServeRequests", debugger.type("ln @$ip"))
        with self.subTest("what comes behind a command that goes on is not run"):
            debugger.type(f"bc *; r $t1 = 0; bp {FUNCTION} \"r $t1 = @$t1 + 1; .if (@$t1 < 3) {{gc}}; .echo the third\"")
            self.assertEqual(debugger.type("g").count("the third"), 1)
            self.assertEqual(debugger.value("@$t1"), 3)
        with self.subTest("bs"):
            debugger.type("bs 0 \".echo another\"")
            self.assertIn("another", debugger.type("g"))
            debugger.type("bs 0")
            self.assertIn("Breakpoint 0 hit", debugger.type("g"))
        debugger.quit()

    def test_the_list(self):
        debugger = self.begin()
        debugger.type(f"bp3 {FUNCTION}; bp leaky!LeakyQueueEvent 2 \".echo \\\"quoted\\\"; gc\"; ba w4 {COUNTER}; bu nosuch!Name")
        self.assertEqual(sorted(self.rows(debugger)), [0, 1, 2, 3])
        listing = debugger.type("bl")
        self.assertRegex(listing, r"(?m)^ 0 e [0-9a-f`]+ +0002 \(0002\) leaky!LeakyQueueEvent \"\.echo \"quoted\"; gc\"$")
        self.assertRegex(listing, r"(?m)^ 1 e [0-9a-f`]+ w 4 0001 \(0001\) leaky!LeakyReportBlocks$")
        self.assertRegex(listing, r"(?m)^ 2 eu +0001 \(0001\) \(nosuch!Name\)$")
        commands = debugger.type(".bpcmds")
        self.assertRegex(commands, r"(?m)^bp0 .* 0x2 \"\.echo \\\"quoted\\\"; gc\" ;$")
        debugger.type("bc *")
        self.assertEqual(debugger.type("bl"), "")
        for line in commands.splitlines():
            debugger.type(line.rstrip(" ;"))
        self.assertEqual(debugger.type("bl"), listing)
        debugger.type("bd 0 2-3")
        self.assertEqual([row["enabled"] for row in self.rows(debugger).values()], [False, True, False, False])
        debugger.type("br 1 7; be 0; bd 7")
        self.assertEqual({n: row["enabled"] for n, row in self.rows(debugger).items()}, {0: True, 2: False, 3: False, 7: False})
        debugger.type("bc \"leaky!LeakyQ*\"; bc [1+1]")
        self.assertEqual(sorted(self.rows(debugger)), [3, 7])
        before = self.count(debugger)
        shown = debugger.go_until(lambda _: self.count(debugger) > before, "the places are passed")
        self.assertNotRegex(shown, r"Breakpoint \d+ hit")  # all are disabled
        debugger.type("be *")
        self.assertRegex(debugger.type("g"), r"Breakpoint [37] hit")
        self.assertIn("There is no breakpoint 5", debugger.type("bc 5"))
        debugger.type("bc *")
        with self.subTest("bm"):
            self.assertRegex(debugger.type("bm leaky!Leaky*Stream"), r"(?m)^ +0: [0-9a-f`]+ @!\"leaky!Leaky(Open|Close)Stream\"\n"
                                                                   r" +1: [0-9a-f`]+ @!\"leaky!Leaky(Open|Close)Stream\"\n\Z")
            seen = {re.search(r"leaky!Leaky(\w+)Stream:", debugger.type("g"))[1] for _ in range(6)}
            self.assertEqual(seen, {"Open", "Close"})
            debugger.type("bc *")
            self.assertRegex(debugger.type("bm nt!*"), r"\d+ symbols match, and only 32 breakpoints are possible; none was set")
            self.assertEqual(debugger.type("bl"), "")
            self.assertIn("No matching code symbols found", debugger.type("bm leaky!Nosuch*"))
            self.assertRegex(debugger.type("bm /a leaky!LeakyReportB*"), r"leaky!LeakyReportBlocks(?s:.*)leaky!LeakyReportBytes|LeakyReportBytes(?s:.*)LeakyReportBlocks")
        debugger.quit()

    def test_hardware_breakpoints(self):
        debugger = self.begin()
        pointer = debugger.value("@$ptrsize")
        with self.subTest("writes and accesses of each size, at each part of a counter"):
            sizes = [size for size in (1, 2, 4, 8) if size <= pointer]
            for access in ("w", "r"):
                for size in sizes:
                    debugger.type(f"bc *; ba {access}{size} {COUNTER}")
                    counts = []
                    for _ in range(3):
                        self.assertRegex(debugger.type("g"), r"Breakpoint 0 hit\nleaky!LeakyCount\+0x", (access, size))
                        counts.append(self.count(debugger))
                    # A write is told after it; where it is an instruction of its own, the read before it is told, too.
                    steps = {later - earlier for earlier, later in zip(counts, counts[1:])}
                    self.assertLessEqual(steps, {1} if access == "w" else {0, 1}, (access, size, counts))
        with self.subTest("what is not touched does not stop"):
            debugger.type(f"bc *; ba w{pointer} leaky!LeakyFailures; ba r1 leaky!DriverEntry")
            self.assertIn("Break instruction exception", debugger.type("g /for 0.5"))
        with self.subTest("execution, with passes and commands"):
            debugger.type(f"bc *; ba e1 {FUNCTION} 4")
            debugger.type("g")
            self.at(debugger, FUNCTION)
            before = self.count(debugger)
            debugger.type(f"ba0 e1 {FUNCTION} 3")
            self.assertIn("Breakpoint 0 hit", debugger.type("g"))
            self.assertEqual(self.count(debugger), before + 3)
            self.at(debugger, FUNCTION)
            self.assertNotEqual(debugger.type("p"), "")
            self.assertNotEqual(debugger.value("@$ip"), debugger.value(FUNCTION))
            before, hits = self.count(debugger), debugger.value("@$t2")
            debugger.type(f"bc *; ba e1 {FUNCTION} \"r $t2 = @$t2 + 1; gc\"")
            debugger.go_until(lambda _: debugger.value("@$t2") > hits + 2, "hits")
            self.assertIn(self.count(debugger) - before - (debugger.value("@$t2") - hits), (0, 1))
        with self.subTest("beside a breakpoint in the code, and a second register"):
            debugger.type(f"bc *; bp {FUNCTION}; ba w4 {COUNTER}; ba w4 leaky!LeakyReportBytes")
            seen = [re.search(r"Breakpoint (\d) hit", debugger.type("g"))[1] for _ in range(6)]
            self.assertEqual(seen, (["0", "1", "2"] * 4)[int(seen[0]):][:6])
            debugger.type("bd 2")
            seen = [re.search(r"Breakpoint (\d) hit", debugger.type("g"))[1] for _ in range(4)]
            self.assertEqual(set(seen), {"0", "1"})
        with self.subTest("what cannot be"):
            debugger.type("bc *")
            self.assertIn("must be aligned", debugger.type(f"ba w4 {COUNTER}+2"))
            self.assertIn("size 1", debugger.type(f"ba e4 {FUNCTION}"))
            self.assertIn("size", debugger.type(f"ba w3 {COUNTER}"))
            if pointer == 4:
                self.assertIn("1, 2 or 4", debugger.type(f"ba w8 {COUNTER}"))
            for number in range(4):
                self.assertEqual(debugger.type(f"ba w1 {COUNTER}+{number}"), "")
            self.assertIn("all are taken", debugger.type(f"ba w1 {COUNTER}+4"))
            debugger.type("bd 2")
            self.assertEqual(debugger.type(f"ba w1 {COUNTER}+4"), "")
            self.assertIn("all are taken", debugger.type("be 2"))
            debugger.type("bc *")
        with self.subTest("a tag's row in the kernel's table"):
            row = self.tag_row(debugger)
            debugger.type(f"ba w4 {row:x}")
            frees = []
            for _ in range(4):
                self.assertRegex(debugger.type("g"), r"Breakpoint 0 hit\nnt!Ex")
                self.assertIn("leaky!Leaky", debugger.type("k"))
                frees.append(debugger.value(f"dwo({row:x})"))
            self.assertEqual([later - earlier for earlier, later in zip(frees, frees[1:])], [1, 1, 1])
            debugger.type("bc *")
        self.assertIn("Break instruction exception", debugger.type("g /for 0.2"))
        self.assertEqual(debugger.value("@dr7"), 0x400)
        debugger.quit()

    def tag_row(self, debugger):
        """Where the kernel counts the frees of paged blocks of the leaking tag."""
        layout = debugger.json("dt nt!_POOL_TRACKER_TABLE")
        offsets = {member["name"]: member["offset"] for member in layout["members"]}
        # Processor 0 counts in a table of its own.
        table, size = debugger.value("poi(nt!ExPoolTagTables)"), debugger.value("poi(nt!PoolTrackTableSize)")
        for index in range(size):
            at = table + index * layout["size"]
            if debugger.value(f"dwo({at + offsets['Key']:x})") == 0x20636241:
                return at + offsets["PagedFrees"]
        self.fail("no row of the tag")

    def test_drivers_that_come_and_go(self):
        debugger = self.begin("page", "--boot", "late=on", "--kaslr")
        self.assertIn("could not be resolved, adding deferred bp", debugger.type("bp late!DriverEntry"))
        debugger.type("bu late!LateUnload; ba e1 late!DriverEntry; sxe ld:late.sys; sxe ud:late")
        self.assertEqual(len(re.findall(r"(?m)^ \d eu ", debugger.type("bl"))), 3)
        self.assertRegex(debugger.type("sx"), r"ld - Load module - break\n +\(only break for late\.sys\)")
        self.assertRegex(debugger.type("g"), r"Load module \S*late\.sys at [0-9a-f`]+\nnt!DebugService2")
        self.assertRegex(debugger.type(".lastevent"), r"Last event: Load module \S*late\.sys at")
        self.assertEqual([("address" in row) for row in self.rows(debugger).values()], [True] * 3)
        self.assertEqual(debugger.value("dwo(late!LateLiveBlocks)"), 0)  # nothing of it has run
        first = debugger.type("g")
        self.assertRegex(first, r"Breakpoint [02] hit\nlate!DriverEntry:")
        second = debugger.type("g")  # the other of the two at one place, or already the unload
        unload = second if "LateUnload" in second else debugger.type("g")
        self.assertRegex(unload, r"Breakpoint 1 hit\nlate!LateUnload:")
        self.assertRegex(debugger.type("g"), r"Unload module \S*late\.sys at [0-9a-f`]+\n")
        self.assertIn("Break instruction exception", debugger.type("g /for 0.2"))
        self.assertEqual(len(re.findall(r"(?m)^ \d eu ", debugger.type("bl"))), 3)
        debugger.type("bc *; sxr; sxn ld:late; sxi ud")
        with self.subTest("a command, and events that are told or ignored"):
            answer = debugger.type(".reboot")
            self.assertIn("Break instruction exception", answer)
            left = lambda: "late.sys" in [module["name"] for module in debugger.json("lm")["unloaded"]]
            answer = debugger.go_until(lambda _: left(), "the driver goes")
            self.assertRegex(answer, r"(?m)^ModLoad: [0-9a-f`]+ \S*late\.sys$")
            self.assertNotIn("Unload", answer)
            debugger.type("sxr; sxe -c \".echo it comes; bp /1 late!DriverEntry \\\".echo it runs; gc\\\"; gc\" ld late; .reboot")
            answer = debugger.go_until(lambda shown: "it runs" in shown, "the driver comes")
            self.assertRegex(answer, r"it comes\n(?s:.*)it runs\n(?s:.*)Break instruction exception")
        debugger.quit()

    def test_breaks_of_the_target(self):
        debugger = self.begin()
        debugger.type("ed nt!PoolHitTag 20636241")
        self.assertIn("Break instruction exception - code 80000003 (first chance)\nnt!DbgBreakPoint:", debugger.type("g"))
        self.assertIn("Last event: Break instruction exception - code 80000003 (first chance)", debugger.type(".lastevent"))
        debugger.type("sxn bpe")
        breaks = []

        def told(shown):
            breaks.append(shown.count("Break instruction exception"))
            return breaks[-1] > len(breaks)  # each `g /for` ends with one, which answers the break-in

        debugger.go_until(told, "breaks are told", 0.3)
        debugger.type("sxi bpe")
        before, breaks = self.count(debugger), []
        debugger.go_until(lambda shown: told(shown) or self.count(debugger) > before + 2, "blocks are given out", 0.3)
        self.assertEqual(breaks, list(range(1, len(breaks) + 1)))
        debugger.type("sxe -c \".echo tagged; gc\" bpe")
        debugger.go_until(lambda shown: shown.count("tagged\n") > 1, "the command runs")
        debugger.quit()

    def test_steps(self):
        debugger = self.begin()
        debugger.type(f"bp {FUNCTION}; g; bc *")

        def instruction():
            return debugger.json("u @$ip L1")["rows"][0]["mnemonic"]

        def function():
            return re.search(r"\w+!\w+", debugger.type("ln @$ip"))[0]

        rows = re.findall(r"(?m)^([0-9a-f`]{8,17}) [0-9a-f]+ ", debugger.type(f"uf {FUNCTION}"))
        addresses = [int(row.replace("`", ""), 16) for row in rows]
        self.assertEqual(addresses[0], debugger.value("@$ip"))
        with self.subTest("p goes through the function, t into its calls"):
            seen = []
            while (ip := debugger.value("@$ip")) in addresses:
                seen.append(ip)
                debugger.type("p")
            self.assertEqual(function(), "leaky!LeakyServeRequests")
            self.assertEqual(seen, sorted(seen))
            self.assertGreater(len(seen), 8)
            debugger.type(f"g {FUNCTION}")
            self.at(debugger, FUNCTION)
            self.assertEqual(debugger.type("bl"), "")
        with self.subTest("to calls, returns and branches"):
            debugger.type("pc")
            self.assertEqual((instruction(), function()), ("call", FUNCTION))
            debugger.type("t")
            self.at(debugger, "nt!ExAllocatePoolWithTag")
            debugger.type("gu")
            self.assertEqual(function(), FUNCTION)
            debugger.type("pt")
            self.assertEqual((instruction(), function()), ("ret", FUNCTION))
            debugger.type("p")
            self.assertEqual(function(), "leaky!LeakyServeRequests")
            for over, into, wanted in (("pct", "tct", r"call|ret"), ("ph", "th", r"call|ret|j\w+")):
                for command in (over, into):
                    debugger.type(command)
                    self.assertRegex(instruction(), f"^({wanted})$", command)
            debugger.type(f"g {FUNCTION}; tt")
            self.assertEqual(instruction(), "ret")
            self.assertNotEqual(function(), FUNCTION)  # of a callee
            debugger.type(f"g {FUNCTION}; pc 2")
            self.assertEqual((instruction(), function()), ("call", FUNCTION))
            self.assertGreater(debugger.value("@$ip"), addresses[3])
        with self.subTest("to an address"):
            debugger.type(f"g {FUNCTION}")
            goal = addresses[4]
            answer = debugger.type(f"pa {goal:x}")
            self.assertEqual(debugger.value("@$ip"), goal)
            self.assertEqual(len(re.findall(r"(?m)^leaky!LeakyBuildReport\+0x", answer)), 4, answer)
            debugger.type(f"g {FUNCTION}; ta nt!ExAllocatePoolWithTag")
            self.at(debugger, "nt!ExAllocatePoolWithTag")
            debugger.type(f"g {FUNCTION}; p 3")
            self.assertEqual(debugger.value("@$ip"), addresses[3])
            shown = debugger.type("p 2 \".echo stepped\"")
            self.assertEqual(shown.count("stepped\n"), 2)
        with self.subTest("a start of one's own, and registers at steps"):
            stack = "rsp" if self.arch == "x64" else "esp"
            debugger.type(f"g {FUNCTION}; r $t0 = @$csp; p 2; r {stack} = @$t0; p = {addresses[0]:x}")
            self.assertEqual(debugger.value("@$ip"), addresses[1])
            self.assertIn("efl=", debugger.type("p"))
            self.assertNotIn("efl=", debugger.type("pr"))
            self.assertIn("efl=", debugger.type("tr"))
        with self.subTest("a breakpoint on the way ends a step"):
            debugger.type(f"g {FUNCTION}; bp leaky!LeakyCount")
            self.assertIn("Breakpoint 0 hit\nleaky!LeakyCount:", debugger.type("pt"))
            debugger.type("bc *; gu")
            self.assertEqual(function(), FUNCTION)
        debugger.quit()


class BreakpointsX86(Breakpoints):
    arch = "x86"


if __name__ == "__main__":
    unittest.main()
