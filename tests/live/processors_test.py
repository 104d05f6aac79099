"""A machine with two processors: views and stops of either, steps, breakpoints on both, and counters that only their sum has."""

import collections
import pathlib
import re
import struct
import sys
import unittest

from lab import GdbStub, LiveTest

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
import count_blocks  # noqa: E402

FROZEN, OWNER, ACTIVE = 2, 4, 0x20  # KPRCB.IpiFrozen


class Processors(LiveTest):
    def begin(self, *options):
        machine = self.start_lab(*options, "--processors", "2")
        return machine, self.debug()

    def field(self, debugger, processor, name):
        """A member of a processor's KPRCB."""
        block = debugger.value(f"poi(nt!KiProcessorBlock+{8 * processor:x})")
        if not hasattr(self, "prcb"):
            self.prcb = {m["name"]: m["offset"] for m in debugger.json("dt nt!_KPRCB")["members"]}
        return block + self.prcb[name]

    def frozen(self, debugger):
        return [debugger.value(f"dwo({self.field(debugger, n, 'IpiFrozen'):x})") for n in (0, 1)]

    def prompt(self, debugger):
        """Prompts are in the log, with what is typed behind them."""
        log = self.home / "prompt.log"
        debugger.type(f".logopen {log}")
        debugger.type("vertarget")
        debugger.type(".logclose")
        return re.search(r"(?m)^(.*kd> )vertarget", log.read_text())[1]

    def go(self, debugger):
        return debugger.json("g")["stop"]

    def test_views_and_the_switch(self):
        _, debugger = self.begin("idle", "--seed", "3", "--kaslr")
        self.assertEqual(self.prompt(debugger), "0: kd> ")
        self.assertRegex(debugger.type("vertarget"), r"MP \(2 procs\)")
        listing = debugger.type("~")
        self.assertRegex(listing, r"\A\.  0  [0-9a-f`]{17} nt!DbgBreakPoint\S*  thread [0-9a-f`]{17}\n"
                                  r"   1  [0-9a-f`]{17} nt!KiIdleLoop\S*  thread [0-9a-f`]{17}\n\Z")
        self.assertEqual(self.frozen(debugger), [OWNER | ACTIVE, FROZEN])
        own, other = debugger.type("r"), debugger.type("1r")
        self.assertEqual(debugger.type("0r"), own)
        self.assertNotEqual(debugger.type("r rip"), debugger.type("1r rip"))
        self.assertIn("nt!KiIdleLoop", other)
        stacks = {0: debugger.type("0k"), 1: debugger.type("~1k")}
        self.assertEqual(debugger.type("k"), stacks[0])
        self.assertIn("nt!KiIdleLoop", stacks[1])
        both = debugger.type("~*k")
        self.assertTrue(stacks[0] in both and stacks[1] in both, both)
        self.assertIn("read-only", debugger.type("1r rax=1"))
        self.assertIn("2 is not a valid processor number", debugger.type("~2s") + debugger.type("2r"))
        bases = [debugger.type(f"{n}r gsbase") for n in (0, 1)]
        self.assertNotEqual(*bases)

        thread = debugger.value("@$thread")
        debugger.type("~1s")
        self.assertEqual(self.prompt(debugger), "1: kd> ")
        self.assertEqual(self.frozen(debugger), [OWNER, FROZEN | ACTIVE])
        self.assertEqual((debugger.type("r"), debugger.type("k"), debugger.type("0r"), debugger.type("0k")), (other, stacks[1], own, stacks[0]))
        self.assertEqual(debugger.value("@$thread"), debugger.value(f"poi({self.field(debugger, 1, 'IdleThread'):x})"))
        self.assertEqual(debugger.value("@$cpu"), 1)
        debugger.type("~0s")
        self.assertEqual((self.prompt(debugger), debugger.value("@$thread"), debugger.type("r")), ("0: kd> ", thread, own))

        debugger.type("~1s")
        ticks = debugger.value("poi(nt!KeTickCount)")
        self.assertIn("nt!DbgBreakPointWithStatus", debugger.type("g /for 0.3"))  # both go, and the first one's int 3 is behind it
        self.assertGreater(debugger.value("poi(nt!KeTickCount)"), ticks)
        self.assertEqual(self.prompt(debugger), "0: kd> ")  # it has the clock
        debugger.quit()

    def test_stops_on_either(self):
        _, debugger = self.begin("page")
        debugger.type("bp nt!KeDelayExecutionThread")
        seen = collections.Counter()
        for number in range(1, 1000):
            if number % 20 == 0:  # by turns, stop after stop, one processor may get the same threads for ever: mix them anew
                debugger.type("bd *; g /for 0.2; be *")
            stop = self.go(debugger)
            self.assertEqual((stop["kind"], stop["symbol"]), ("breakpoint", "nt!KeDelayExecutionThread"))
            seen[stop["processor"]] += 1
            if len(seen) == 2 and stop["processor"] == 1:
                break
        self.assertEqual(set(seen), {0, 1}, "one processor never came there")
        self.assertEqual(self.prompt(debugger), "1: kd> ")
        self.assertEqual(debugger.value("@$cpu"), 1)
        self.assertRegex(debugger.type("k"), r"nt!KeDelayExecutionThread(?s:.*)nt!KiStartSystemThread")
        self.assertEqual(self.frozen(debugger), [FROZEN, OWNER | ACTIVE])
        with self.subTest("steps of this one, and on to the same thread's return"):
            debugger.type("bd *")
            thread, stack = debugger.value("@$thread"), debugger.value("@rsp")
            for _ in range(3):
                debugger.type("p")
                self.assertEqual(debugger.value("@$thread"), thread)
            debugger.type("gu")
            self.assertEqual((debugger.value("@$thread"), debugger.value("@rsp")), (thread, stack + 8))
        with self.subTest("each hit is seen once, whichever processor it is on"):
            debugger.type("bc *; r $t0 = 0; bp leaky!LeakyBuildReport \"r $t0 = @$t0 + 1; gc\"; bp nt!KeDelayExecutionThread \"gc\"")
            before = debugger.value("dwo(leaky!LeakyReportBlocks)")
            debugger.go_until(lambda _: debugger.value("@$t0") > 5, "hits")
            self.assertIn(debugger.value("@$t0") - debugger.value("dwo(leaky!LeakyReportBlocks)") + before, (0, 1))
        with self.subTest("a tag is met on both"):
            debugger.type("bc *; ed nt!PoolHitTag 20636241")
            seen = collections.Counter(self.go(debugger)["processor"] for _ in range(60))
            self.assertEqual(set(seen), {0, 1})
            debugger.type("ed nt!PoolHitTag 0")
        debugger.quit()

    def test_steps_of_the_other_processor(self):
        _, debugger = self.begin("idle", "--boot", "spin=on")
        for processor in (1, 0):
            # Two threads that never wait: the break-in finds one on either processor.
            debugger.type("g /for 0.3")
            # The break-in, or an interrupt, has to be left first; which of the two then comes by first is open.
            while "ExpSpinThread" not in debugger.type(f"~{processor}s; ln @rip"):
                debugger.type("g nt!ExpSpinThread")
            for command in ("t", "p", "t"):
                before = debugger.value("@rip")
                stop = debugger.json(command)["stop"]
                self.assertEqual((stop["kind"], stop["processor"]), ("step", processor), stop)
                self.assertNotEqual(int(stop["ip"], 16), before)
        debugger.quit()

    def test_hardware_breakpoints_on_both(self):
        machine, debugger = self.begin("idle", "--boot", "spin=on")
        seen = set()
        for counter in (0, 8):  # of two threads; each has a processor
            debugger.type(f"bc *; ba w8 nt!ExpSpinCount+{counter}")
            before = debugger.value(f"poi(nt!ExpSpinCount+{counter})")
            for hit in range(3):
                stop = self.go(debugger)
                self.assertEqual((stop["kind"], stop["symbol"].split("+")[0]), ("breakpoint", "nt!ExpSpinThread"))
                self.assertEqual(debugger.value(f"poi(nt!ExpSpinCount+{counter})"), before + hit + 1)
                seen.add(stop["processor"])
        self.assertEqual(seen, {0, 1})
        registers = [debugger.type(f"{n}r dr0, dr7") for n in (0, 1)]
        self.assertEqual(*registers)
        self.assertRegex(registers[0], r"dr0=0*%x dr7=0000000000090402" % debugger.value("nt!ExpSpinCount+8"))
        with self.subTest("both at once: the hit of one that waits for the other is not lost"):
            debugger.type("bc *; ba w8 nt!ExpSpinCount \"r $t0 = @$t0 + 1; gc\"; ba w8 nt!ExpSpinCount+8 \"r $t1 = @$t1 + 1; gc\"")
            before = [debugger.value(f"poi(nt!ExpSpinCount+{counter})") for counter in (0, 8)]
            debugger.type("g /for 1")
            for register, counter, start in (("$t0", 0, before[0]), ("$t1", 8, before[1])):
                counted = debugger.value(f"poi(nt!ExpSpinCount+{counter})") - start
                self.assertIn(counted - debugger.value(f"@{register}"), (0, 1), register)
        with self.subTest("execution: each call is a hit, on either"):
            debugger.type("bc *; r $t0 = 0; ba e1 nt!ExpTimeRefreshDpcRoutine \"r $t0 = @$t0 + 1; gc\"; ba w8 nt!ExpSpinCount 7fffffff")
            debugger.type("bd 1")
            before = debugger.value("dwo(nt!ExpTimeRefreshCount)")
            debugger.go_until(lambda _: debugger.value("@$t0") > 0, "the routine is called")
            self.assertIn(debugger.value("@$t0") - debugger.value("dwo(nt!ExpTimeRefreshCount)") + before, (0, 1))
        debugger.type("bc *; g /for 0.2")
        self.assertEqual([debugger.type(f"{n}r dr7") for n in (0, 1)], ["dr7=0000000000000400\n"] * 2)
        gdb = GdbStub(machine["gdb_socket"])
        self.assertEqual([row[4] for row in gdb.debug_registers()], [0x400, 0x400])
        gdb.resume()
        debugger.quit()

    def test_counters_are_the_sum(self):
        machine, debugger = self.begin("page", "--seed", "2")
        self.check_counters(machine, debugger)
        frees = lambda: next(row["paged"]["frees"] for row in debugger.json("!poolused 1 Abc")["tags"])
        before = frees()
        debugger.go_until(lambda _: frees() > before + 20, "blocks come and go")
        counters = self.check_counters(machine, debugger)
        # Both tables have a part of it, so one alone would be wrong.
        tables = [debugger.value(f"poi(nt!ExPoolTagTables+{8 * n})") for n in (0, 1)]
        self.assertNotIn(0, tables)
        self.assertNotEqual(*tables)
        self.assertGreater(counters["Abc "]["paged"]["frees"], 0)
        debugger.quit()

    def check_counters(self, machine, debugger):
        """What !poolused says of each tag is what an independent script sums up in the machine's memory."""
        pdb = count_blocks.Pdb(str(pathlib.Path(machine["images"]) / "ntkrnlmp.pdb"))
        memory = count_blocks.Memory(machine["memory_file"], None, pdb)
        base = memory.find_image("ntkrnlmp.pdb")
        found, _ = count_blocks.live_blocks(memory, pdb, base)
        sums = count_blocks.tracker_sums(memory, pdb, base)
        counters = {row["tag"].ljust(4): row for row in debugger.json("!poolused")["tags"]}
        compared = 0
        for (tag, pool), (live, size) in sums.items():
            name = struct.pack("<I", tag & 0x7FFFFFFF).decode("latin-1")
            if live == 0 or name not in counters:
                continue
            row = counters[name][pool.lower()]
            self.assertEqual((row["outstanding"], row["bytes"]), (live, size), (name, pool))
            # Either processor may have been stopped with a block that is taken and not counted yet.
            if name != "Pool":
                self.assertLessEqual(abs(live - len(found.get((tag, pool), []))), 2, (name, pool))
            compared += 1
        self.assertGreater(compared, 8)
        return counters


if __name__ == "__main__":
    unittest.main()
