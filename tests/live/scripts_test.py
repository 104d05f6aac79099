"""kd's command language against a running kernel: the scripts that come with poolkd, conditions at breakpoints, Ctrl-C."""

import json
import re
import signal
import time
import unittest

from lab import Debugger, LiveTest

MACHINES = ([], ["--lab-seed=3", "--lab-kaslr"], ["--lab-arch=x86"])
# Where leaky takes memory with the tag, what it asks for, and where it gives it back.
TAKES = {"LeakyAllocateBuffer": 0x3E8, "LeakyQueueEvent": 0xF0, "LeakyBuildReport": None}
GIVES = {"LeakyFreeBuffer", "LeakyRetireEvent"}


def number(text):
    return int(text.replace("`", ""), 16)


class Scripts(LiveTest):
    def run_script(self, *options, commands):
        result = self.poolkd("--lab=page", *options, "--quiet", "-c", commands + "; q")
        self.assertEqual(result.stderr, "")
        return result.stdout

    def test_a_log_of_allocations_and_frees(self):
        for options in MACHINES:
            with self.subTest(options=options):
                log = self.home / "hits.log"
                shown = self.run_script(*options, commands=f"ed nt!PoolHitTag 12345678; $$>a<poolhit.kd Abc 0n12 {log}; dd nt!PoolHitTag L1")
                self.assertRegex(shown.splitlines()[-1], r" 12345678$")  # as it was before
                hits = re.split(r"(?m)^(?=hit=)", log.read_text())[1:]
                self.assertEqual(len(hits), 12)
                live = {}
                for index, hit in enumerate(hits):
                    head = re.match(r"hit=(\d+) kind=(allocation|free) tag=20636241 processor=0 process=([0-9a-f]+) thread=([0-9a-f]+) tid=([0-9a-f]+)\n"
                                    r"Debugger \(not debuggee\) time: ", hit)
                    self.assertIsNotNone(head, hit)
                    self.assertEqual(int(head[1]), index)
                    self.check_hit(head[2], hit, live)
                self.assertIn("allocation", log.read_text())
                self.assertIn("kind=free", log.read_text())

    def check_hit(self, kind, hit, live):
        callers = re.findall(r"leaky!(\w+)", hit)
        block = re.search(r"(?m)^block=([0-9a-f]+)\n(?:.*\n)?\*([0-9a-f`]+) size: +([0-9a-f]+) previous size: .*\(Allocated\) \*Abc ?$", hit)
        self.assertIsNotNone(block, hit)
        address, header, size = (number(text) for text in block.groups())
        self.assertIn(address - header, (8, 16), hit)
        if kind == "allocation":
            self.assertIn(callers[0], TAKES, hit)
            self.assertNotIn(address, live, "a block is given out once")
            live[address] = size
            if TAKES[callers[0]]:
                self.assertLess(size - TAKES[callers[0]] - (address - header), address - header, hit)
        else:
            self.assertIn(callers[0], GIVES, hit)
            self.assertEqual(live.pop(address, size), size, hit)

    def test_breakpoints_that_print(self):
        for options in MACHINES:
            with self.subTest(options=options):
                debugger = Debugger(self, "--lab=page", *options)
                debugger.type("$$>a<poolbp.kd Abc")
                row = re.compile(r"(?m)^(allocation|free) routine=(\w+) (?:size=([0-9a-f]+) type=1|block=([0-9a-f]+)) thread=[0-9a-f]+ from=leaky!(\w+)")
                rows = row.findall(debugger.go_until(lambda shown: len(row.findall(shown)) > 10, "calls are printed"))
                debugger.quit()
                for kind, routine, size, block, caller in rows:
                    if kind == "free":
                        self.assertEqual((routine, caller in GIVES), ("ExFreePoolWithTag", True))
                    else:
                        self.assertIn(caller, TAKES)
                        if TAKES[caller]:
                            self.assertEqual(number(size), TAKES[caller])
                self.assertEqual({kind for kind, *_ in rows}, {"allocation", "free"})

    def test_commands_for_each_block(self):
        shown = self.run_script(commands='$$>a<poolblocks.kd Ggb "dp @$t0 L1; .echo next" 3; !poolfind -tag "Ggb " -paged -total -x ".printf \\"block %p\\\\n\\", @$extret"')
        script, found = shown.split("3 blocks\n")
        self.assertEqual(re.findall(r"(?m)^block (\d) at", script), ["0", "1", "2"])
        self.assertEqual(script.count("next\n"), 3)
        blocks = re.findall(r"(?m)^block ([0-9a-f]+)$", found)
        self.assertEqual(len(blocks), 22)  # what the page counts
        self.assertEqual(re.findall(r"(?m)^block \d at ([0-9a-f]+)$", script), blocks[:3])
        for line, address in zip(re.findall(r"(?m)^([0-9a-f`]+)  ", script), blocks):
            self.assertEqual(number(line), number(address))

    def test_snapshots_that_the_verdict_reads(self):
        log = self.home / "pool.log"
        self.run_script(commands=f"$$>a<poolsnap.kd {log} 1 4")
        report = json.loads(self.poolkd("verdict", "--json", str(log)).stdout)
        self.assertEqual(report["snapshots"], 4)
        self.assertTrue(report["activity"])
        abc = next(row for row in report["rows"] if row["tag"] == "Abc ")
        self.assertEqual((abc["type"], abc["verdict"], abc["samples"]), ("Paged", "growing", 4))
        self.assertGreater(abc["bytes_gained"], 0)

    def test_conditions_at_breakpoints(self):
        self.start_lab("page")
        debugger = self.debug()
        debugger.type("bp nt!ExAllocatePoolWithTag \"j ((@r8d & 0`ffffffff) = 0`20636241) '.echo the tag'; 'gc'\"")
        for _ in range(3):
            self.assertIn("the tag\n", debugger.type("g"))
            self.assertEqual(debugger.value("@r8d"), 0x20636241)
            self.assertEqual(debugger.value("@rip"), debugger.value("nt!ExAllocatePoolWithTag"))
        debugger.type("bc *")
        # The same as a count, in one command that goes on by itself.
        debugger.type("r $t0 = 0")
        debugger.type("bp leaky!LeakyQueueEvent \"r $t0 = @$t0 + 1; .if (@$t0 < 5) {gc} .else {.printf \\\"the fifth of %d\\\\n\\\", @$t0}\"")
        self.assertIn("the fifth of 5\n", debugger.type("g"))
        self.assertEqual(debugger.value("@$t0"), 5)
        self.assertEqual(debugger.value("@rip"), debugger.value("leaky!LeakyQueueEvent"))
        # A `g` within a loop waits for its stop, and the loop goes on from there.
        debugger.type("bc *; bp leaky!LeakyQueueEvent")
        shown = debugger.type(".for (r $t0 = 0; @$t0 < 3; r $t0 = @$t0 + 1) { g; .printf \"round %d\\n\", @$t0 }")
        self.assertEqual(re.findall(r"Breakpoint 0 hit|round \d", shown), ["Breakpoint 0 hit", "round 0", "Breakpoint 0 hit", "round 1", "Breakpoint 0 hit", "round 2"])
        debugger.quit()

    def test_ctrl_c_ends_loops(self):
        self.start_lab("page")
        debugger = self.debug()
        for loop in (".while (1) {}", ".while (1) {r $t0 = @$t0 + 1}", ".catch {.while (1) {.catch {nosuchcommand}}}", "r $t0 = 1; z(1)",
                     ".while (1) {g}", ".while (1) {g /for 1}", ".while (1) {.sleep 0n100}", ".foreach (x {.while (1) {}}) {.echo x}"):
            with self.subTest(loop=loop):
                debugger.begin(f".echo begun; {loop}; .echo not reached")
                debugger.read_until("begun")
                time.sleep(0.3)  # some rounds, where the host is quick enough; it is stopped before the first as well
                debugger.process.send_signal(signal.SIGINT)
                shown = debugger.type("? 1234")
                self.assertIn("Stopped by the user", shown)
                self.assertNotIn("not reached", shown)
                self.assertTrue(shown.endswith("00000000`00001234\n"), shown[-200:])
        debugger.quit()

    def test_pseudo_registers(self):
        self.start_lab("page")
        debugger = self.debug()
        debugger.type("bp leaky!LeakyQueueEvent")
        debugger.type("g")
        for name, same in (("$ip", "@rip"), ("$csp", "@rsp"), ("$retreg", "@rax"), ("$ra", "poi(@rsp)"), ("$bp0", "leaky!LeakyQueueEvent"),
                           ("$ptrsize", "8"), ("$pagesize", "1000"), ("$exr_code", "0`80000003"), ("$cpu", "0"), ("$tpid", "4"), ("$bug_code", "0")):
            self.assertEqual(debugger.value(f"@{name}"), debugger.value(same), name)
        self.assertNotEqual(debugger.value("@$dbgtime"), 0)
        debugger.quit()


if __name__ == "__main__":
    unittest.main()
