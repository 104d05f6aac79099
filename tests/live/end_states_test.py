"""What stays in the target when a debugger goes, by each way it can go: seen from outside, through QEMU."""

import os
import re
import signal
import subprocess
import termios
import unittest

from breaking_link import BreakingLink
from lab import ANSWER_LIMIT, GO_LIMIT, POOLKD, GdbStub, LiveTest, wait_until, with_stub
from terminal import Terminal

HOT = "nt!KeDelayExecutionThread"  # all threads come here, on each processor
COLD = "leaky!DriverEntry"         # nobody comes here any more
PATCHED = "leaky!LeakyFillPool"    # nor here
COUNTER = "leaky!LeakyReportBlocks"
DATA = "nt!PoolHitTag"
MARK = "44 43 42 41"


class Target(LiveTest):
    arch = "x64"
    processors = 1

    def setUp(self):
        super().setUp()
        self.machine = self.start_lab("page", "--processors", str(self.processors))
        self.clean = None

    def open(self):
        debugger = self.debug()
        if self.clean is None:
            self.places = {name: debugger.value(name) for name in (HOT, COLD, PATCHED, DATA, "nt!DbgBreakPoint")}
            self.counter = debugger.value(COUNTER)
            self.clean = self.code()
        return debugger

    def look(self, what):
        return with_stub(self.machine, what)

    def code(self):
        return self.look(lambda gdb: {name: gdb.memory(address, 16) for name, address in self.places.items()})

    def reports(self):
        return self.look(lambda gdb: int.from_bytes(gdb.memory(self.counter, 4), "little"))

    def arm(self, debugger, hit=True):
        """Everything that can be in a target: breakpoints in code and in debug registers, writes to code and data. Those that
        are hit make the target stand, with nothing in its code, for part of the time."""
        if hit:
            debugger.type(f"bp {HOT} \"gc\"; ba e1 {HOT}+1 \"gc\"; ba w4 {COUNTER} 7fffffff")
        debugger.type(f"bp {COLD}; ba w1 nt!NtGlobalFlag; ba r4 leaky!LeakyFailures")
        debugger.type(f"eb {PATCHED} {MARK}; ed {DATA} 0`7a797877")
        self.assertEqual(len(re.findall("(?m)^ *\\d+ ", debugger.type(".writes"))), 2, debugger.type(".writes"))

    def run_on(self, debugger):
        """The target runs under the debugger, which waits for it."""
        before = self.reports()
        debugger.begin("g")
        wait_until(lambda: self.reports() > before + 3, "the target runs", GO_LIMIT)
        # In between it stands in the debugger, where the registers are off: on a loaded host most of the time.
        armed = set()

        def all_were_armed():
            armed.update(number for number, row in enumerate(self.look(GdbStub.debug_registers)) if row[4] & 0xFF)
            return len(armed) == self.processors

        wait_until(all_were_armed, "hardware breakpoints are armed", GO_LIMIT)

    def assert_armed(self):
        code = self.code()
        self.assertEqual(code[COLD][0], 0xCC)
        self.assertEqual(code[PATCHED][:4], bytes.fromhex(MARK))

    def assert_clean(self, writes=False):
        code = self.code()
        for name in (HOT, COLD, "nt!DbgBreakPoint"):
            self.assertEqual(code[name], self.clean[name], name)
        for name in (PATCHED, DATA):
            self.assertEqual(code[name] != self.clean[name], writes, name)
        registers = self.look(GdbStub.debug_registers)
        self.assertEqual(len(registers), self.processors)
        return registers

    def assert_disarmed(self, registers):
        for row in registers:
            self.assertEqual(row, [0, 0, 0, 0, 0x400])

    def assert_runs(self):
        before = self.reports()
        wait_until(lambda: self.reports() > before + 3, "the target runs", GO_LIMIT)

    def assert_stands(self):
        before = self.reports()
        with self.assertRaises(AssertionError):
            wait_until(lambda: self.reports() > before, "nothing", limit=0.5)


class EndStates(Target):
    def test_qd(self):
        debugger = self.open()
        self.arm(debugger)
        debugger.type("g /for 0.5")
        code, text = debugger.quit("qd")
        self.assertEqual(code, 0)
        self.assertIn("2 writes undone.", text)
        self.assert_runs()
        self.assert_disarmed(self.assert_clean())
        again = self.open()
        self.assertNotIn("earlier session", again.banner)
        with self.subTest("the end of the input does the same"):
            self.arm(again)
            again.type("g /for 0.5")
            code, text = again.quit("bl")
            self.assertIn("2 writes undone.", text)
            self.assert_runs()
            self.assert_disarmed(self.assert_clean())
        with self.subTest("and so do commands of the command line, and a target that stands at a breakpoint"):
            result = self.poolkd("-k", "lab:live", "-c", f"bp {HOT}; ba w4 {COUNTER}; ed {DATA} 0`7a797877; g; g; qd")
            self.assertIn("Breakpoint", result.stdout)
            self.assertIn("1 write undone.", result.stdout)
            self.assert_runs()
            self.assert_disarmed(self.assert_clean())
        with self.subTest("qd /k keeps the writes"):
            again = self.open()
            self.arm(again)
            again.type("g /for 0.3")
            code, text = again.quit("qd /k")
            self.assertIn("2 writes to the target stay; the next session offers to undo them.", text)
            self.assert_runs()
            self.assert_disarmed(self.assert_clean(writes=True))
            again = self.open()
            self.assertIn("An earlier session left 2 changes in this target", again.banner)
            again.quit("qd")
            self.assert_clean()

    def test_q(self):
        debugger = self.open()
        self.arm(debugger)
        debugger.type("g /for 0.5")
        code, text = debugger.quit("q")
        self.assertEqual(code, 0)
        self.assertIn("2 writes to the target stay; the next session offers to undo them.", text)
        self.assertIn("The target stays frozen until a debugger lets it go (qd does).", text)
        self.assert_stands()
        self.assert_clean(writes=True)
        again = self.open()
        self.assertIn("An earlier session left 2 changes in this target", again.banner)
        self.assertNotIn("breakpoint", again.banner)
        code, text = again.quit("qd")
        self.assertIn("2 writes undone.", text)
        self.assert_runs()
        self.assert_disarmed(self.assert_clean())

    def test_a_killed_debugger(self):
        debugger = self.open()
        self.arm(debugger, hit=False)
        self.run_on(debugger)
        os.kill(debugger.process.pid, signal.SIGKILL)
        debugger.process.wait()
        self.assert_armed()
        again = self.open()
        self.assertIn("1 breakpoint that an earlier session left was removed", again.banner)
        self.assertIn("2 hardware breakpoints that an earlier session left were removed", again.banner)
        self.assertIn("An earlier session left 2 changes in this target", again.banner)
        self.assert_clean(writes=True)
        code, text = again.quit("qd")
        self.assertIn("2 writes undone.", text)
        self.assert_runs()
        self.assert_disarmed(self.assert_clean())


class EndStatesX86(EndStates):
    arch = "x86"


class EndStatesOfTwo(EndStates):
    processors = 2


class EndsFromOutside(Target):
    """The debugger is told to end; what it then does in the target is what qd does, on any machine."""

    def test_the_end_of_the_input_while_it_runs(self):
        debugger = self.open()
        self.arm(debugger)
        self.run_on(debugger)
        debugger.process.stdin.close()
        debugger.process.send_signal(signal.SIGINT)  # g ends, and there is nothing to read behind it
        _, text = debugger.end()
        self.assertIn("2 writes undone.", text)
        self.assert_runs()
        self.assert_disarmed(self.assert_clean())

    def test_signals_that_end_the_debugger(self):
        for number in signal.SIGTERM, signal.SIGHUP:
            with self.subTest("while the target runs", number=number.name):
                debugger = self.open()
                self.arm(debugger)
                self.run_on(debugger)
                # A terminal that closes sends it twice; what stands behind g is not run.
                debugger.begin("g")
                debugger.process.send_signal(number)
                debugger.process.send_signal(number)
                code, text = debugger.end()
                self.assertEqual(code, 0, text)
                self.assertIn("2 writes undone.", text)
                self.assert_runs()
                self.assert_disarmed(self.assert_clean())
        with self.subTest("while it stands"):
            debugger = self.open()
            self.arm(debugger)
            debugger.process.send_signal(signal.SIGTERM)
            debugger.process.wait(ANSWER_LIMIT)
            _, text = debugger.end()
            self.assertIn("2 writes undone.", text)
            self.assert_runs()
            self.assert_disarmed(self.assert_clean())
        with self.subTest("at the prompt of a terminal"):
            terminal = Terminal([POOLKD, "-k", "lab:live"], environment=dict(self.environment, TERM="xterm"))
            self.addCleanup(terminal.close)
            terminal.wait_for(lambda: terminal.shows("kd> "), "the prompt")
            terminal.send("ed nt!PoolHitTag 1234\r")
            terminal.wait_for(lambda: sum("kd> " in line for line in terminal.lines) == 2, "the next prompt")
            terminal.send("half a li")
            terminal.process.send_signal(signal.SIGTERM)
            self.assertEqual(terminal.wait(ANSWER_LIMIT), 0)
            self.assertTrue(terminal.shows("1 write undone."), terminal.lines)
            self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
            self.assert_runs()
            self.assert_clean()

    def test_a_signal_while_it_connects(self):
        self.open().quit("qd")

        class Ended(BreakingLink):
            answers = b""

            def told(link, source, data):
                if source is not link.ends[1]:
                    return
                link.answers += data
                # The answer that tells the target's version (DbgKdGetVersionApi): it stands then.
                if b"\x46\x31\0\0" in link.answers:
                    link.process.send_signal(signal.SIGTERM)
                    link.answers = b""

        path = str(self.home / "ended")
        link = Ended(path, self.machine["kd_socket"], 0, 0)
        self.addCleanup(link.close)
        link.process = subprocess.Popen([POOLKD, "-k", f"unix:{path}", "-c", "q"], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        text, _ = link.process.communicate(timeout=ANSWER_LIMIT)
        self.assertEqual(link.process.returncode, 0, text)
        self.assertNotIn("frozen", text)
        self.assert_runs()
        self.assert_clean()


if __name__ == "__main__":
    unittest.main()
