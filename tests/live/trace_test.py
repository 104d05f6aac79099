#!/usr/bin/env python3
"""Traces of a tag (!hits, poolkd trace): what they find by call site is what the drivers' own counters say, and nothing of them
stays in the target however they end."""

import json
import os
import signal
import time

from breaking_link import BreakingLink
from cast import of_tag
from lab import ANSWER_LIMIT, Debugger, LiveTest, at_first_break, unittest, wait_until

COUNTERS = ("LeakyAllocations", "LeakyFrees", "LeakyReportBlocks", "LeakyReportBytes", "LeakyEventBlocks", "LeakyStreamBlocks")
IN_FLIGHT = 1  # the driver counts behind the call, and its one thread may stand in it


def function_of(frame):
    """LeakyOpenStream of "leaky!LeakyOpenStream+0xf"."""
    return frame["text"].split("!")[-1].split("+0x")[0]


def caller(stack):
    return stack["frames"][stack["caller"]]


class TraceTest(LiveTest):
    def counters(self, debugger):
        return {name: debugger.value(f"qwo(leaky!{name})") % 2**32 for name in COUNTERS}

    def hit_tag(self, debugger):
        return debugger.value("dwo(nt!PoolHitTag)")

    def nothing_is_left(self, debugger, value=0):
        self.assertEqual(self.hit_tag(debugger), value)
        writes = debugger.json(".writes")["writes"]
        self.assertFalse([write for write in writes if "trace of" in write["command"] and not write["undone"]])
        self.assertEqual(debugger.type("bl").strip(), "")

    def by_function(self, report, kind, member):
        sums = {}
        for stack in report["stacks"]:
            if stack["kind"] == kind and stack["caller"] is not None:
                name = function_of(caller(stack))
                sums[name] = sums.get(name, 0) + stack[member]
        return sums

    def journal(self):
        folder = self.home / "state" / "poolkd" / "journal"
        return "".join(file.read_text() for file in folder.glob("*")) if folder.exists() else ""


class CallSites(TraceTest):
    def trace_leaky(self, *options, hits=140, command="!hits Abc /t 0 /nobase /n {}", means="hit_tag"):
        processors = 2 if "--processors" in options else 1
        self.start_lab("leak", *options)
        debugger = at_first_break(self.debug())
        before = self.counters(debugger)
        report = debugger.json(command.format(hits))
        delta = {name: value - before[name] for name, value in self.counters(debugger).items()}
        self.assertEqual((report["means"], report["end"]), (means, "limit"), report["notes"])
        self.assertGreaterEqual(report["hits"], hits)
        self.assertEqual(report["unknown"], 0)
        self.assertEqual(report["pointers"]["unknown"], 0, report["pointers"])

        allocations = self.by_function(report, "allocation", "allocations")
        frees = self.by_function(report, "free", "frees")
        outstanding = self.by_function(report, "allocation", "outstanding")
        self.assertEqual(set(allocations), {"LeakyBuildReport", "LeakyQueueEvent", "LeakyAllocateBuffer"})
        self.assertEqual(set(frees), {"LeakyRetireEvent", "LeakyFreeBuffer"})
        self.assertAlmostEqual(report["allocations"], report["counted_allocations"], delta=IN_FLIGHT)
        self.assertAlmostEqual(report["frees"], report["counted_frees"], delta=IN_FLIGHT)
        # What may wait on another processor is let out at the end: the driver works on for a moment, unseen.
        after = delta["LeakyAllocations"] - report["allocations"] if processors > 1 else 0
        self.assertAlmostEqual(report["allocations"] + after, delta["LeakyAllocations"], delta=IN_FLIGHT)
        self.assertAlmostEqual(allocations["LeakyQueueEvent"] - frees["LeakyRetireEvent"], delta["LeakyEventBlocks"], delta=after + IN_FLIGHT)
        self.assertAlmostEqual(allocations["LeakyAllocateBuffer"] - frees["LeakyFreeBuffer"], delta["LeakyStreamBlocks"], delta=after + IN_FLIGHT)
        # Reports are never freed: what is out of them is what the driver has more of, block by block and byte by byte.
        self.assertAlmostEqual(outstanding["LeakyBuildReport"], delta["LeakyReportBlocks"], delta=after + IN_FLIGHT)
        grown = self.by_function(report, "allocation", "outstanding_bytes")["LeakyBuildReport"]
        self.assertLessEqual(abs(grown - delta["LeakyReportBytes"]), (after + IN_FLIGHT) * 256)
        # Rings keep 33 blocks at most; the older ones are from before the trace.
        self.assertLessEqual(outstanding["LeakyQueueEvent"], 33)
        self.assertLessEqual(outstanding["LeakyAllocateBuffer"], 33)
        self.assertEqual(report["matched"] + report["older_blocks"], report["frees"])
        if processors == 1:
            self.assertEqual(report["freed_unseen"], 0)
        freed_by = {function_of(caller(stack)): [function_of(by) for by in stack["freed_by"]]
                    for stack in report["stacks"] if stack["kind"] == "allocation"}
        self.assertEqual(freed_by["LeakyBuildReport"], [])
        self.assertIn(freed_by["LeakyQueueEvent"], ([], ["LeakyRetireEvent"]))
        self.nothing_is_left(debugger)
        self.assertEqual(debugger.quit("qd")[0], 0)
        return report

    def test_x64_of_10(self):
        report = self.trace_leaky(hits=300)
        # Where the pointers lie is learned soon: most stops need no second one.
        self.assertLess(report["return_stops"], 40)
        self.assertLessEqual(report["requests"] / report["hits"], 6)
        self.assertEqual(report["pointers"]["sure"], report["hits"], report["pointers"])
        retired = [stack for stack in report["stacks"] if stack["freed_by"]]
        self.assertGreaterEqual(len(retired), 2)

    def test_x64_of_7(self):
        self.trace_leaky("--era", "7", "--seed", "1")

    def test_x64_of_11_on_two_processors(self):
        self.trace_leaky("--era", "11", "--seed", "1", "--kaslr", "--processors", "2")

    def test_x86(self):
        self.trace_leaky("--arch", "x86", "--seed", "1")

    def test_like_reactos(self):
        self.trace_leaky("--boot", "kdlike=reactos")

    def test_x86_like_reactos_over_the_serial_line(self):
        self.trace_leaky("--arch", "x86", "--boot", "kdlike=reactos", "--pipe", "com1", hits=60)

    def test_breakpoints_on_call_sites(self):
        report = self.trace_leaky("--seed", "2", hits=60, command="!hits Abc /t 0 /nobase /sites /n {}", means="call_sites")
        self.assertIn("call sites", report["means_note"])

    def test_breakpoints_on_call_sites_x86(self):
        self.trace_leaky("--arch", "x86", "--seed", "2", hits=60, command="!hits Abc /t 0 /nobase /sites /n {}", means="call_sites")


class Ends(TraceTest):
    def test_the_users_own_value_comes_back(self):
        self.start_lab("leak")
        debugger = at_first_break(self.debug())
        debugger.type("ed nt!PoolHitTag 11223344")
        debugger.json("!hits Abc /n 20 /nobase /noblocks")
        self.nothing_is_left(debugger, 0x11223344)
        debugger.quit()

    def test_ctrl_c_gives_what_there_is(self):
        self.start_lab("leak")
        debugger = at_first_break(self.debug())
        debugger.begin("!hits Abc /t 0 /nobase --json")
        wait_until(lambda: "trace of" in self.journal(), "the trace begins", ANSWER_LIMIT)
        time.sleep(0.5)  # no condition: wherever it is then
        debugger.process.send_signal(signal.SIGINT)
        answer = debugger.type("")
        report = json.loads(next(line for line in answer.splitlines() if line.startswith("{")))
        self.assertEqual(report["end"], "user")
        self.nothing_is_left(debugger)
        # The target goes on, and stops when it is told to: no break-in is left over.
        before = debugger.value("qwo(leaky!LeakyAllocations)")
        debugger.go_until(lambda _: debugger.value("qwo(leaky!LeakyAllocations)") > before, "the driver goes on")
        debugger.quit("qd")

    def test_a_killed_debugger_leaves_a_line_that_restores(self):
        self.start_lab("leak")
        debugger = at_first_break(self.debug())
        tag = int.from_bytes(b"Abc ", "little")
        debugger.begin("!hits Abc /t 0 /nobase")
        wait_until(lambda: "trace of" in self.journal(), "the trace begins", ANSWER_LIMIT)
        time.sleep(0.3)  # no condition: wherever it is then
        os.kill(debugger.process.pid, signal.SIGKILL)
        debugger.process.wait()
        again = self.debug()
        self.assertEqual(self.hit_tag(again), tag)
        self.assertIn("trace of 'Abc '", again.type(".writes"))
        again.type(".undo")
        self.nothing_is_left(again)
        again.quit("qd")

    def test_a_line_that_breaks_and_comes_back(self):
        machine = self.start_lab("leak")
        port = self.home / "line.sock"
        link = BreakingLink(str(port), machine["kd_socket"], 0, 1)
        self.addCleanup(link.close)
        debugger = at_first_break(Debugger(self, "-k", f"com:pipe,port={port},reconnect", "-y", machine["images"]))
        for attempt in range(3):
            debugger.begin("!hits Abc /t 60 /nobase --json")
            wait_until(lambda: self.journal().count("trace of") > attempt, "the trace begins", ANSWER_LIMIT)
            time.sleep(0.2)  # no condition: wherever it is then
            link.cut()
            time.sleep(0.2)
            debugger.process.send_signal(signal.SIGINT)  # where the cut did not end it
            answer = debugger.type("")
            report = json.loads(next(line for line in answer.splitlines() if line.startswith("{")))
            self.assertIn(report["end"], ("link", "user"), report["notes"])
            self.nothing_is_left(debugger)
        before = debugger.value("qwo(leaky!LeakyAllocations)")
        debugger.go_until(lambda _: debugger.value("qwo(leaky!LeakyAllocations)") > before, "the driver goes on")
        debugger.quit("qd")

    def test_a_share_of_the_time(self):
        self.start_lab("leak")
        debugger = at_first_break(self.debug())
        report = debugger.json("!hits Abc /t 3 /share 25% /age 0.5")
        self.assertEqual(report["end"], "limit")
        self.assertGreater(report["paused_ms"], 0)
        self.assertLess(report["stopped_ms"], 0.6 * report["elapsed_ms"])
        self.assertGreater(report["hits"], 0)
        self.assertGreater(report["counted_allocations"] + report["counted_frees"], report["hits"])
        self.nothing_is_left(debugger)
        debugger.quit("qd")

    def test_a_tag_that_nobody_uses(self):
        self.start_lab("leak")
        debugger = at_first_break(self.debug())
        report = debugger.json("!hits None /t 1500ms /nobase")
        self.assertEqual((report["end"], report["hits"], report["stacks"]), ("limit", 0, []))
        self.nothing_is_left(debugger)
        debugger.quit("qd")

    def test_the_subcommand(self):
        self.start_lab("leak")
        answer = json.loads(self.poolkd("trace", "lab:live", "Abc ", "--stops", "40", "--json").stdout)
        self.assertEqual(answer["hits"], 40)
        self.assertGreater(answer["rate_before"] or 1, 0)
        text = self.poolkd("trace", "lab:live", "Abc ", "--stops", "40", "--no-blocks").stdout
        self.assertIn("40 hits of 'Abc '", text)
        self.assertRegex(text, r"=> leaky!Leaky\w+\+0x")
        self.assertEqual(self.poolkd("trace", "lab:live", check=False).returncode, 2)
        self.assertEqual(self.poolkd("trace", "lab:live", "TooLong", check=False).returncode, 2)
        debugger = self.debug()
        self.nothing_is_left(debugger)
        debugger.quit("qd")


class TheCast(TraceTest):
    """Drivers of all kinds: wrapped, jumped to, from an interrupt, without symbols, with odd tags."""

    def functions(self, stack):
        return [function_of(frame) for frame in stack["frames"] if not frame["allocator"]]

    def trace_all(self, debugger, tag):
        """What traces of a tag see together: drivers, and the functions on each stack of an allocation. Some call sites are
        passed seldom, and on a loaded host the target does little in a trace: there are as many as it takes."""
        wanted = {function for memory in of_tag(tag) for function in memory.stack or memory.functions}
        drivers, stacks = set(), []
        end = time.monotonic() + ANSWER_LIMIT
        while not drivers or {memory.driver for memory in of_tag(tag)} - drivers or wanted - {name for names in stacks for name in names}:
            self.assertLess(time.monotonic(), end, (tag, wanted, drivers, stacks))
            report = debugger.json(f"!hits {tag} /n 16 /t 30 /nobase")
            self.assertEqual(report["end"], "limit", report["notes"])
            self.assertEqual((report["unknown"], report["pointers"]["unknown"]), (0, 0), report)
            for stack in report["stacks"]:
                if stack["kind"] == "allocation":
                    drivers.add(caller(stack)["module"])
                    stacks.append(self.functions(stack))
            self.nothing_is_left(debugger)
        return drivers, stacks

    def test_stacks_name_the_call_sites(self):
        self.start_lab("hunt", "--processors", "2", "--kaslr")
        debugger = at_first_break(self.debug())
        # unloaded.sys works for some seconds only, and then it is gone: it comes first.
        for tag in ("UnRq", "WrSe", "TwSe", "TwEv", "BigF", "PgRc", "HndP", "NetB", "DpcS", "OdVo", "NpCx"):
            with self.subTest(tag):
                drivers, stacks = self.trace_all(debugger, tag)
                self.assertEqual(drivers, {memory.driver for memory in of_tag(tag)})
                # Each stack is that of one of the tag's call sites, and of no other's.
                for names in stacks:
                    self.assertTrue(any(set(memory.stack or memory.functions) <= set(names) or not memory.functions
                                        for memory in of_tag(tag)), (tag, names))
        debugger.quit()


if __name__ == "__main__":
    unittest.main()
