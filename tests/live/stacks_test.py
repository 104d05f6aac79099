"""Stacks of both processors against the machine itself: at every single step, and across interrupts."""

import unittest

from lab import LiveTest

STEPS = 160  # through allocations, a free and their prologs and epilogs


class StacksOn:
    def start(self, *options):
        self.start_lab("page", "--arch", self.arch, *options)
        return self.debug()

    def callers(self, debugger, where):
        """Return addresses from the innermost caller outwards, of a stack that is known to its end."""
        trace = debugger.json("k")
        sites = [frame["site"] for frame in trace["frames"]]
        self.assertEqual(trace["end"], "complete", f"{where}: {sites}")
        self.assertFalse([frame for frame in trace["frames"] if "warning" in frame], f"{where}: {sites}")
        self.assertTrue(trace["coverage"]["complete"], f"{where}: {trace['coverage']}")
        return [frame["ip"] for frame in trace["frames"][1:]], sites

    def test_calls_and_returns_alone_change_the_callers(self):
        for seed in range(2):
            with self.subTest(seed=seed):
                debugger = self.start("--seed", str(seed))
                debugger.type("ed nt!poolhittag ' cbA'; g; ed nt!poolhittag 0; t")
                before, _ = self.callers(debugger, "at the start")
                for step in range(STEPS):
                    row = debugger.json("u @$ip L1")["rows"][0]
                    debugger.type("t")
                    where = f"step {step}, {row['address']} {row['mnemonic']} {row['operands']}"
                    after, sites = self.callers(debugger, where)
                    if row["mnemonic"].startswith("call"):
                        expected = [hex(int(row["address"], 16) + len(row["bytes"]) // 2), *before]
                    elif row["mnemonic"].startswith("ret"):
                        expected = before[1:]
                    else:
                        expected = before
                        # A jump at the end of a function goes to another one with the same caller.
                    self.assertEqual(after, expected, f"{where}\n{sites}")
                    self.assertIn("LeakyServeRequests", " ".join(sites))
                    before = after
                self.assertEqual(debugger.quit()[0], 0)
                self.poolkd("lab", "stop", "live")

    def test_an_interrupt_is_crossed(self):
        debugger = self.start()
        crossed = set()
        for _ in range(8):
            debugger.type("g /for 0.04")
            _, sites = self.callers(debugger, "at a break-in")
            notes = debugger.type("kv")
            self.assertIn("TrapFrame @", notes)
            crossed.update(site.split("+")[0] for site in sites)
        # The clock interrupted something, and the stack goes on to where that began.
        self.assertTrue(crossed & {"nt!KiIdleLoop", "leaky!LeakyServeRequests", "nt!PspSystemThreadStartup"}, crossed)
        self.assertEqual(debugger.quit()[0], 0)


class StacksX64(StacksOn, LiveTest):
    arch = "x64"


class StacksX86(StacksOn, LiveTest):
    arch = "x86"


if __name__ == "__main__":
    unittest.main()
