"""The leak page against the practice kernel: every number of it, on every layout, with and without KASLR, on both pipes."""

import re
import unittest

from lab import LiveTest

PAGE = {"Abc ": (36405, 33930272), "Tron": (552, 7863232), "IoN7": (10939, 998432), "Gla5": (2222, 924352), "Ggb ": (22, 828384)}


class PageOn:
    """The tests for one machine; `arch` says which."""

    def poolkd(self, *arguments, **how):
        if any(argument.startswith("--lab=") for argument in arguments):
            arguments = (f"--lab-arch={self.arch}", *arguments)
        return super().poolkd(*arguments, **how)

    def start_lab(self, *options, **how):
        return super().start_lab(*options, "--arch", self.arch, **how)

    def table(self, debugger):
        table = debugger.json("!poolused 4")
        self.assertTrue(table["coverage"]["complete"])
        top = {row["tag"]: (row["paged"]["outstanding"], row["paged"]["bytes"]) for row in table["tags"][:5]}
        self.assertEqual(top, PAGE)
        self.assertEqual([row["tag"] for row in table["tags"][:5]], list(PAGE))
        gla5 = next(row for row in table["tags"] if row["tag"] == "Gla5")
        self.assertEqual((gla5["nonpaged"]["outstanding"], gla5["nonpaged"]["bytes"]), (1, 128))

    def test_table_as_text(self):
        result = self.poolkd("--lab=page", "-c", "!poolused 4; q")
        rows = [re.sub(r" +", " ", line).strip() for line in result.stdout.splitlines()]
        start = rows.index("Sorting by Paged Pool Consumed")
        self.assertEqual(rows[start:start + 10],
                         ["Sorting by Paged Pool Consumed", "", "Pool Used:", "NonPaged Paged", "Tag Allocs Used Allocs Used", "Abc 0 0 36405 33930272",
                          "Tron 0 0 552 7863232", "IoN7 0 0 10939 998432", "Gla5 1 128 2222 924352", "Ggb 0 0 22 828384"])

    def test_every_layout_and_pipe(self):
        layouts = [["--seed", str(seed), *kaslr] for seed in range(self.SEEDS) for kaslr in ([], ["--kaslr"])]
        for options in [*layouts, ["--pipe", "com1"]]:
            with self.subTest(options=options):
                self.start_lab("page", *options)
                debugger = self.debug()
                self.table(debugger)
                self.stops(debugger)
                self.assertEqual(debugger.quit()[0], 0)
                self.poolkd("lab", "stop", "live")

    def stops(self, debugger):
        """The three call sites that allocate, and what frees."""
        self.assertEqual(debugger.type("ed nt!poolhittag ' cbA'"), "")
        self.assertRegex(debugger.type("db nt!poolhittag L4"), r"41 62 63 20 +Abc ?")
        seen = set()
        for _ in range(60):
            event = debugger.type("g")
            self.assertIn("Break instruction exception - code 80000003 (first chance)", event)
            stack = debugger.type("kb")
            frames = re.findall(r" (\S+)$", stack, re.M)
            driver = [frame.split("+")[0] for frame in frames if frame.startswith("leaky!")]
            self.assertTrue(driver, stack)
            # Every stack reaches the driver's thread and the kernel below it.
            self.assertEqual(driver[-1], "leaky!LeakyServeRequests", stack)
            self.assertRegex(stack, r"nt!PspSystemThreadStartup|nt!KiStartSystemThread|nt!\w*Thread\w*")
            seen.add(("free" if "ExFree" in stack else "allocation", driver[0], driver[1]))
            if len(seen) == 5:
                break
        self.assertEqual({site for kind, site, _ in seen if kind == "allocation"}, {"leaky!LeakyBuildReport", "leaky!LeakyQueueEvent", "leaky!LeakyAllocateBuffer"})
        self.assertIn(("allocation", "leaky!LeakyAllocateBuffer", "leaky!LeakyOpenStream"), seen)
        self.assertEqual({site for kind, site, _ in seen if kind == "free"}, {"leaky!LeakyRetireEvent", "leaky!LeakyFreeBuffer"})
        debugger.type("ed nt!poolhittag 0")
        # It runs free, and only the report site grows: the driver's own counters and the kernel's tell the same.
        before = debugger.value("poi(leaky!LeakyReportBlocks)")
        event = debugger.go_until(lambda _: debugger.value("poi(leaky!LeakyReportBlocks)") > before, "the site is passed")
        self.assertIn("Break instruction exception", event)
        row = debugger.json("!poolused 0 Abc")["tags"][0]["paged"]
        self.assertEqual(row["outstanding"], debugger.value("poi(leaky!LeakyLiveBlocks)"))
        self.assertEqual(row["bytes"], debugger.value("poi(leaky!LeakyLiveBytes)"))

    def test_without_tagging(self):
        self.start_lab("page", "--no-tagging")
        result = self.poolkd("-k", "lab:live", "-c", "!poolused 4; q", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("Pool tagging is not enabled", result.stdout)
        self.assertIn("gflags +ptg", result.stdout)
        self.assertIn("on", self.poolkd("gflags", "+ptg").stdout)
        self.poolkd("lab", "restart")
        result = self.poolkd("-k", "lab:live", "-c", ".reload; !poolused 4; q")
        self.assertRegex(result.stdout, r"Abc +0 +0 +36405 +33930272")
        # The flag stays over one more restart, as in a registry.
        self.poolkd("lab", "restart")
        result = self.poolkd("-k", "lab:live", "-c", "!poolused 4; q")
        self.assertRegex(result.stdout, r"Abc +0 +0 +36405 +33930272")


class PageX64(PageOn, LiveTest):
    SEEDS = 5
    arch = "x64"


class PageX86(PageOn, LiveTest):
    SEEDS = 3
    arch = "x86"


if __name__ == "__main__":
    unittest.main()
