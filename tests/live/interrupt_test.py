#!/usr/bin/env python3
"""Ctrl-C while a subcommand connects: the program ends, and says so; the target goes on as it was."""

import array
import fcntl
import json
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


class InterruptTest(lab.LiveTest):
    def interrupted(self, *words):
        """Runs a subcommand that is interrupted while it connects. Its exit code, answer, and what it told."""
        process = subprocess.Popen([lab.POOLKD, *words, "-v", "-y", LONG_PATH], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        self.assertEqual(fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES)
        lab.wait_until(lambda: filled(process.stderr) > IN_THE_MIDDLE or process.poll() is not None, "poolkd connects", lab.ANSWER_LIMIT)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=lab.ANSWER_LIMIT)
        return process.returncode, out, told

    def test_a_machine_of_its_own(self):
        for words in (("hunt", "--lab=leak"), ("verdict", "--lab=leak"), ("trace", "Abc", "--lab=leak"),
                      ("record", str(self.home / "s.series"), "--lab=leak")):
            with self.subTest(words[0]):
                code, out, told = self.interrupted(*words)
                self.assertEqual((code, out), (3, ""), told)
                self.assertTrue(told.endswith("poolkd: Stopped while connecting.\n"), told[-500:])
                self.assertEqual(json.loads(self.poolkd("lab", "list", "--json").stdout), [])

    def test_a_machine_that_stays(self):
        self.start_lab("leak", name="run")
        code, out, told = self.interrupted("hunt", "lab:run")
        self.assertEqual((code, out), (3, ""), told)
        self.assertTrue(told.endswith("poolkd: Stopped while connecting.\n"), told[-500:])
        snapshots = json.loads(self.poolkd("verdict", "lab:run", "--count", "2", "--json").stdout)
        self.assertEqual(snapshots["snapshots"], 2)


if __name__ == "__main__":
    lab.unittest.main()
