#!/usr/bin/env python3
"""Ctrl-C while a subcommand connects: the program ends, and says so; the target goes on as it was."""

import array
import fcntl
import json
import os
import pathlib
import select
import signal
import subprocess
import termios

import lab

# With -v the symbol path is told between the first contact with the target and the stop that ends connecting. This one is
# longer than a pipe holds: poolkd waits in the middle of it until the pipe is read.
PIPE_BYTES = 64 * 1024
LONG_PATH = ";".join("/nowhere" + "/".join(["", *(letter * 200 for _ in range(18))]) for letter in "abcdefghijklmnopqrstuvwxyz")
IN_THE_MIDDLE = PIPE_BYTES // 2


def filled(pipe):
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def state(process):
    """As the kernel has it: R, S, T when it was stopped, …"""
    return pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0]


class InterruptTest(lab.LiveTest):
    def begin(self, *words):
        process = subprocess.Popen([lab.POOLKD, *words, "-v"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def ends(self, process):
        out, told = process.communicate(timeout=lab.ANSWER_LIMIT)
        last = told.splitlines()[-1]
        self.assertEqual((process.returncode, out), (3, ""), last)
        self.assertRegex(last, r"^poolkd: Stopped while [^.]*\.$")

    def read_until_a_module_is_loaded(self, process):
        shown = ""
        while "ModLoad: " not in shown:
            self.assertTrue(select.select([process.stderr], [], [], lab.ANSWER_LIMIT)[0], shown)
            told = os.read(process.stderr.fileno(), 1 << 16).decode()
            self.assertNotEqual(told, "", f"poolkd ended: {shown}")
            shown += told
        return shown

    def frozen_while_booting(self, *words):
        """A subcommand that stands still behind the first module that its machine loads, and before the last."""
        for _ in range(20):
            process = self.begin(*words)
            shown = self.read_until_a_module_is_loaded(process)
            process.send_signal(signal.SIGSTOP)
            lab.wait_until(lambda: state(process) == "T", "poolkd stands still")
            while select.select([process.stderr], [], [], 0)[0]:
                shown += os.read(process.stderr.fileno(), 1 << 16).decode()
            if "Kernel Version" not in shown:
                return process
            process.kill()  # this one was faster: it has connected
            process.communicate()
        self.fail("poolkd was never caught while it connected")

    def uptime(self):
        file = self.home / "uptime.jsonl"
        file.unlink(missing_ok=True)
        self.poolkd("record", str(file), "-k", "lab:live", "--count", "1")
        return json.loads(file.read_text())["uptime_seconds"]

    def test_a_machine_of_its_own_that_boots(self):
        for words in (("hunt", "--lab=leak"), ("verdict", "--lab=leak"), ("trace", "Abc", "--lab=leak"),
                      ("record", str(self.home / "s.series"), "--lab=leak")):
            with self.subTest(words[0]):
                process = self.frozen_while_booting(*words)
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGCONT)
                self.ends(process)
                self.assertEqual(json.loads(self.poolkd("lab", "list", "--json").stdout), [])

    def test_a_machine_that_runs_goes_on(self):
        self.start_lab("leak")
        self.assertEqual(lab.at_first_break(self.debug()).quit("qd")[0], 0)
        process = self.begin("hunt", "lab:live", "-y", LONG_PATH)
        self.assertEqual(fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES)
        lab.wait_until(lambda: filled(process.stderr) > IN_THE_MIDDLE or process.poll() is not None, "poolkd connects", lab.ANSWER_LIMIT)
        process.send_signal(signal.SIGINT)
        self.ends(process)
        before = self.uptime()
        lab.wait_until(lambda: self.uptime() > before + 0.5, "the target runs on")


if __name__ == "__main__":
    lab.unittest.main()
