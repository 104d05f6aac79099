"""`poolkd poolmon`: the screen, the keys, what it leaves behind, and its output where there is no terminal."""

import json
import os
import re
import signal
import time
import unittest

from lab import POOLKD, LiveTest, wait_until
from terminal import Terminal

ROW = re.compile(r" (.{4}) (Nonp |Paged) *(\d+) \( *(\d+)\) *(\d+) \( *(\d+)\) *(-?\d+) *(\d+) \( *(-?\d+)\) *(-?\d+)")


class Poolmon(LiveTest):
    def setUp(self):
        super().setUp()
        self.environment["TERM"] = "xterm"

    def open(self, *options, columns=100, rows=24):
        terminal = Terminal([POOLKD, "poolmon", "--lab=page", *options], columns, rows, self.environment)
        self.addCleanup(terminal.close)
        terminal.wait_for(lambda: terminal.shows(" Abc  Paged"), "rows")
        return terminal

    def rows(self, terminal):
        return [match.groups() for line in terminal.lines if (match := ROW.match(line))]

    def press(self, terminal, key, condition, what):
        terminal.send(key)
        terminal.wait_for(condition, what)

    def test_screen_and_keys(self):
        terminal = self.open("/b", "--every=300ms")
        self.assertTrue({1049} <= terminal.modes and 25 not in terminal.modes)
        self.assertRegex(terminal.lines[0], r"^ Memory: +\d+K Avail: +\d+K  PageFlts: +-   InRam Krnl: +- P: +-$")
        self.assertRegex(terminal.lines[1], r"^ Commit: +- Limit: +- Peak: +- +Pool N: +\d+K P: +\d+K$")
        self.assertRegex(terminal.lines[2], r"^ System pool information +lab:page  up \d+:\d\d:\d\d  stopped \d+ms \(.*%\)$")
        self.assertRegex(terminal.lines[3], r"^ Tag  Type +Allocs +Frees +Diff +Bytes +Per Alloc")
        sizes = [int(row[7]) for row in self.rows(terminal)]
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        terminal.wait_for(lambda: any(row[3] != "0" for row in self.rows(terminal)), "a change")
        self.assertIn("\x1b[1m Abc", terminal.raw)  # highlighted
        terminal.wait_for(lambda: terminal.shows("Per Alloc  Verdict"), "verdicts")

        self.press(terminal, "p", lambda: not terminal.shows("Paged"), "nonpaged only")
        self.press(terminal, "p", lambda: terminal.shows("Paged") and not terminal.shows("Nonp"), "paged only")
        self.press(terminal, "p", lambda: terminal.shows("Nonp"), "both")
        self.press(terminal, "t", lambda: self.rows(terminal)[0][0] == "Abc ", "by tag")
        self.press(terminal, "e", lambda: terminal.shows(" Sum  Paged"), "totals")
        self.press(terminal, "1", lambda: terminal.shows("only the system's"), "what is not there")
        self.press(terminal, "?", lambda: terminal.shows("PoolMon's table, read from a live kernel"), "help")
        self.press(terminal, "\x1b", lambda: terminal.shows(" Sum  Paged"), "the table again")
        terminal.resize(60, 10)
        terminal.wait_for(lambda: len(self.rows(terminal)) == 0 and terminal.shows(" Abc  Paged"), "narrow and short")
        self.assertTrue(all(len(line) <= 60 for line in terminal.lines))
        self.assertTrue(terminal.lines[9].startswith(" Sum  Paged"))
        self.press(terminal, "\x1b[B", lambda: not terminal.shows(" Abc "), "scrolled by one")
        self.press(terminal, "\x1b[H", lambda: terminal.shows(" Abc "), "back at the top")
        terminal.send("q")
        self.assertEqual(terminal.wait(), 0)
        self.assertTrue(terminal.restored())
        self.assertEqual(terminal.process.stderr.read(), b"")

    def test_only_what_changed_is_written(self):
        terminal = self.open("/b", "--every=200ms", "/l")
        terminal.read(1)
        before = len(terminal.raw)
        terminal.read(1)
        self.assertGreater(len(terminal.raw), before)
        self.assertLess(len(terminal.raw) - before, 12_000)  # of some five refreshes of 2400 characters
        self.assertNotIn("\x1b[2J", terminal.raw[before:])
        self.assertNotIn("\x1b[1m", terminal.raw)

    def test_space_refreshes_and_ctrl_c_ends(self):
        terminal = self.open("--every=1h")
        stopped = terminal.lines[2]
        self.press(terminal, " ", lambda: terminal.lines[2] != stopped, "a refresh")
        terminal.send("\x03")
        self.assertEqual(terminal.wait(), 0)
        self.assertTrue(terminal.restored())

    def test_suspended_it_gives_the_terminal_back(self):
        terminal = self.open("--every=300ms")
        terminal.send("\x1a")
        stat = f"/proc/{terminal.process.pid}/stat"

        def state():
            terminal.read(0.05)
            with open(stat) as file:
                return file.read().rsplit(")", 1)[1].split()[0]
        wait_until(lambda: state() == "T", "it rests")
        self.assertTrue(terminal.restored())
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.wait_for(lambda: 1049 in terminal.modes and terminal.shows(" Abc  Paged"), "the screen again")
        terminal.send("q")
        self.assertEqual(terminal.wait(), 0)
        self.assertTrue(terminal.restored())

    def test_killed_it_gives_the_terminal_back(self):
        for number, code in (signal.SIGSEGV, -signal.SIGSEGV), (signal.SIGTERM, 0):
            terminal = self.open("--every=1h")
            os.kill(terminal.process.pid, number)
            self.assertEqual(terminal.wait(), code)
            self.assertTrue(terminal.restored(), number)

    def test_without_a_terminal(self):
        text = self.poolkd("poolmon", "/b", "-p", "-p", "/e", "/iAbc", "/iTron", "--lab=page", "--every=300ms", "--count=2").stdout
        first, second = text.split("\n\n")
        self.assertEqual([row[0] for row in ROW.findall(first)], ["Abc ", "Tron", "Sum "])
        self.assertIn("System pool information", second)
        self.assertNotIn("\x1b", text)
        lines = self.poolkd("poolmon", "--lab=page", "--every=200ms", "--count=2", "--json").stdout.splitlines()
        self.assertGreaterEqual(len(lines), 2)
        last = json.loads(lines[-1])
        self.assertEqual((last["command"], last["machine"], last["whole"]), ("poolmon", "lab:page", True))
        self.assertIn("allocs_change", last["tags"][0])

    def test_a_snapshot_in_poolmons_format(self):
        file = self.home / "snap.log"
        (self.home / "tags.txt").write_text("Abc - leaky.sys - events of the leaky driver\n")
        self.poolkd("poolmon", "/n", str(file), "/b", "/g", str(self.home / "tags.txt"), "--lab=page")
        lines = file.read_text().splitlines()
        self.assertTrue(lines[0].startswith(" Memory:") and lines[1].startswith(" Commit:"))
        self.assertEqual(lines[3], " Tag  Type     Allocs     Frees      Diff     Bytes  Per Alloc Mapped_Driver")
        self.assertRegex(lines[5], r"^ Abc  Paged +\d+ +\d+ +\d+ +\d+ +\d+ \[leaky.sys - events of the leaky driver\]$")
        self.assertIn("43.0 MB paged, 1.4 MB nonpaged", self.poolkd("verdict", str(file)).stdout)  # and it is read back

    def test_words(self):
        self.assertIn("/g [file]", self.poolkd("poolmon", "/?").stdout)
        for words, code, text in (
            (["/s1", "--lab"], 2, "sessions"),
            (["/w", "--lab"], 2, "/w"),
            ([], 2, "No target"),
            (["-k", "unix:/nowhere"], 3, "/nowhere"),
            (["--lab", "/g", "/nowhere/tags.txt"], 1, "tags.txt"),
        ):
            result = self.poolkd("poolmon", *words, check=False)
            self.assertEqual(result.returncode, code, words)
            self.assertIn(text, result.stderr)


if __name__ == "__main__":
    unittest.main()
