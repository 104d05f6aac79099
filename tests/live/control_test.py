"""Running, stopping, writing, dying and coming back."""

import os
import re
import signal
import socket
import subprocess
import time
import unittest

from lab import ANSWER_LIMIT, POOLKD, LiveTest, wait_until_it_runs


BREAK = r"nt!(DbgBreakPointWithStatus|RtlpBreakWithStatusInstruction)"


class Control(LiveTest):
    arch = "x64"

    def test_breakpoints_and_steps(self):
        self.start_lab("page", "--kaslr")
        debugger = self.debug()
        debugger.type("bp leaky!LeakyBuildReport")
        self.assertRegex(debugger.type("bl"), r"0 e [0-9a-f`]+ +0001 \(0001\) leaky!LeakyBuildReport")
        self.assertIn("Breakpoint 0 hit\nleaky!LeakyBuildReport:", debugger.type("g"))
        self.assertNotIn("int     3", debugger.type("u leaky!LeakyBuildReport L1"))
        before = debugger.value("@$csp")
        debugger.type("p")
        self.assertNotEqual(debugger.value("@$ip"), debugger.value("leaky!LeakyBuildReport"))
        event = debugger.type("gu")
        self.assertIn("leaky!LeakyServeRequests", event)
        # A 32-bit function takes its argument off the stack, too.
        self.assertEqual(debugger.value("@$csp"), before + 8)
        self.assertIn("Breakpoint 0 hit", debugger.type("g"))
        debugger.type("bc *")
        self.assertIn("Break instruction exception", debugger.type("g /for 0.3"))
        debugger.quit()

    def test_step_into_a_call(self):
        self.start_lab("page")
        debugger = self.debug()
        debugger.type("bp leaky!LeakyQueueEvent")
        debugger.type("g")
        for _ in range(40):
            if "call" in debugger.type("u @$ip L1"):
                break
            debugger.type("p")
        self.assertIn("nt!ExAllocatePoolWithTag:", debugger.type("t"))
        debugger.type("gu")
        self.assertIn("leaky!LeakyQueueEvent", debugger.type("ln @$ip"))
        debugger.quit()

    def tag_constant(self, debugger, function):
        """The address of the tag constant that a function of the driver passes on: in a register, or on the stack."""
        listing = debugger.type(f"uf {function}")
        match = re.search(r"(?m)^([0-9a-f`]{8,17}) ([0-9a-f]+) +(?:mov +\w+,|push +)20636241h", listing)
        self.assertIsNotNone(match, listing)
        return int(match[1].replace("`", ""), 16) + len(match[2]) // 2 - 4

    def test_a_killed_debugger_comes_back_and_restores(self):
        machine = self.start_lab("page")
        debugger = self.debug()
        site = self.tag_constant(debugger, "leaky!LeakyRetireEvent")
        debugger.type(f"ed {site:x} 0")
        debugger.type("bp leaky!DriverEntry")  # planted, and not hit any more
        debugger.type("ed nt!poolhittag 'xyzw'")
        counter = debugger.value("leaky!LeakyReportBlocks")
        debugger.begin("g")
        wait_until_it_runs(machine, counter)
        os.kill(debugger.process.pid, signal.SIGKILL)
        debugger.process.wait()
        again = self.debug()
        self.assertIn("1 breakpoint that an earlier session left was removed", again.banner)
        self.assertIn("An earlier session left 2 changes in this target", again.banner)
        self.assertRegex(again.type(".writes"), r"leaky!LeakyRetireEvent\+0x\w+ +by: ed [^\n]+\n[^\n]+\n +nt!PoolHitTag")
        self.assertEqual(len(re.findall("undone", again.type(".undo *"))), 2)
        self.assertEqual(again.value("dwo(nt!poolhittag)"), 0)
        self.assertEqual(again.value(f"dwo({site:x})"), 0x20636241)
        self.assertRegex(again.type("g /for 0.5"), BREAK)
        again.quit("qd")

    def test_retagging_by_hand_ends_safe(self):
        self.start_lab("page")
        debugger = self.debug()

        frees = [self.tag_constant(debugger, f"leaky!{name}") for name in ("LeakyRetireEvent", "LeakyFreeBuffer")]
        allocations = [self.tag_constant(debugger, f"leaky!{name}") for name in ("LeakyBuildReport", "LeakyQueueEvent", "LeakyAllocateBuffer")]
        for address in frees:
            debugger.type(f"ed {address:x} 0")
        for number, address in enumerate(allocations, 1):
            debugger.type(f"ed {address:x} '{number}cbA'")
        row = lambda tag, member: sum(r["paged"][member] for r in debugger.json("!poolused 1 Abc*")["tags"] if r["tag"].strip() == tag)
        shown = debugger.go_until(lambda _: row("Abc1", "outstanding") > 50 and row("Abc2", "frees") > 50, "blocks of the new tags")
        self.assertIn("Break instruction exception", shown)
        self.assertEqual(row("Abc1", "frees"), 0)
        self.assertLess(row("Abc2", "outstanding"), 40)
        answer = debugger.type(".undo *")
        self.assertEqual(len(re.findall(r"Write \d+ undone", answer)), 3, answer)
        self.assertEqual(len(re.findall(r"Write \d+ stays: free site", answer)), 2, answer)
        shown = debugger.go_until(lambda _: row("Abc2", "outstanding") + row("Abc3", "outstanding") == 0, "the rings go round")
        self.assertIn("Break instruction exception", shown)
        answer = debugger.type(".undo *")
        self.assertRegex(answer, r"stays: free site \(nt!ExFreePoolWithTag\): \d+ blocks tagged 'Abc1' \(none of that tag was ever freed\)")
        self.assertNotIn("Abc2", answer)
        self.assertEqual(len(re.findall(r"undone", debugger.type(".undo /f *"))), 2)
        self.assertIn("Break instruction exception", debugger.type("g /for 1"))  # and no bug check
        debugger.quit("qd")

    def test_reboot_under_the_debugger(self):
        self.start_lab("page")
        debugger = self.debug()
        debugger.type("bu leaky!LeakyOpenStream")
        answer = debugger.type(".reboot")
        # The name is resolved again when its driver is loaded; the driver opens streams before the first break.
        self.assertIn("restarted", answer)
        self.assertIn("Breakpoint 0 hit\nleaky!LeakyOpenStream", answer)
        debugger.type("bc *")
        self.assertRegex(debugger.type("g"), BREAK)
        self.assertRegex(debugger.type("!poolused 4"), r"Abc +0 +0 +36405 +33930272")
        debugger.quit()

    def test_module_events_and_unloaded_modules(self):
        self.start_lab("page")
        debugger = self.debug("-v")
        debugger.type("g /for 0.3")
        listing = debugger.json("lm")
        self.assertIn("leaky", [m["name"] for m in listing["modules"]])
        debugger.quit()

    def test_ctrl_c_breaks_into_a_running_target(self):
        machine = self.start_lab("page")
        debugger = self.debug()
        counter = debugger.value("leaky!LeakyReportBlocks")
        debugger.begin("g")
        wait_until_it_runs(machine, counter)
        debugger.process.send_signal(signal.SIGINT)
        self.assertRegex(debugger.type(""), BREAK)
        self.assertRegex(debugger.type("kb"), r"nt!")
        debugger.quit()


class ControlX86(Control):
    arch = "x86"


class Line(LiveTest):
    def test_noise_on_the_line(self):
        machine = self.start_lab("page")
        line = socket.socket(socket.AF_UNIX)
        line.connect(machine["kd_socket"])
        noise = bytes(b for b in range(256) if b != 0x62)  # a lone 'b' would be a break-in
        line.sendall(noise * 20 + b"0000iiii" * 50)
        time.sleep(0.5)
        line.close()
        result = self.poolkd("-k", "lab:live", "-c", "!poolused 4; q")
        self.assertRegex(result.stdout, r"Abc +0 +0 +36405 +33930272")

    def test_nobody_answers(self):
        path = self.home / "silent.sock"
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen(1)
        server.settimeout(ANSWER_LIMIT)
        process = subprocess.Popen([POOLKD, "-k", f"unix:{path}", "-c", "q"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        line, _ = server.accept()
        line.settimeout(ANSWER_LIMIT)
        self.assertEqual(len(line.recv(1)), 1)  # it is asking
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(ANSWER_LIMIT), 3)
        line.close()
        server.close()


if __name__ == "__main__":
    unittest.main()
