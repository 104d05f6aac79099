#!/usr/bin/env python3
"""The verdict on a kernel that leaks while it is watched; the drivers of the scenario are the truth."""

import json
import os
import pty
import re
import select
import signal
import subprocess

import lab

# Of the scenario's tags, those whose counters stand still: allocated once, by the kernel and its drivers.
STATIC = ("Thre", "Proc", "Tron")


class VerdictTest(lab.LiveTest):
    def verdicts(self, report):
        return {row["tag"]: row["verdict"] for row in report["rows"]}

    def test_finds_the_leak_and_nothing_else(self):
        answer = self.poolkd("verdict", "--lab=page", "--every", "500ms", "--count", "33", "--json")
        report = json.loads(answer.stdout)
        verdicts = self.verdicts(report)
        self.assertEqual(verdicts["Abc "], "leaking", report["rows"])
        self.assertEqual([tag for tag, verdict in verdicts.items() if verdict == "leaking"], ["Abc "])
        self.assertNotIn(verdicts["BgSw"], ("leaking",))
        for tag in STATIC:
            self.assertEqual(verdicts[tag], "flat", tag)
        self.assertTrue(report["headline"].startswith("LEAK: 'Abc '"), report["headline"])
        self.assertEqual(report["snapshots"], 33)
        self.assertEqual(report["machine"], "lab:page")
        row = next(row for row in report["rows"] if row["tag"] == "Abc ")
        self.assertEqual(row["type"], "Paged")
        self.assertEqual(row["owner"], "Abc ")
        self.assertTrue(report["coverage"]["complete"], report["coverage"])

    def test_ctrl_c_gives_the_verdict_on_what_there_is(self):
        self.start_lab()
        # The number of snapshots is told to who watches: a terminal.
        terminal, its_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        process = subprocess.Popen([lab.POOLKD, "verdict", "lab:live", "--every", "200ms", "--for", "1h", "--json"], env=self.environment,
                                   stdout=subprocess.PIPE, stderr=its_end, text=True)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        os.close(its_end)
        shown = ""

        def snapshots():
            nonlocal shown
            if select.select([terminal], [], [], 0)[0]:
                shown += os.read(terminal, 4096).decode()
            return max(map(int, re.findall(r"\r(\d+) snapshots", shown)), default=0)

        lab.wait_until(lambda: snapshots() > 3, "four snapshots", lab.ANSWER_LIMIT)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=lab.ANSWER_LIMIT)
        self.assertEqual(process.returncode, 0, shown)
        report = json.loads(out)
        self.assertGreater(report["snapshots"], 3)
        self.assertIn("Abc ", self.verdicts(report))
        # The machine was left running, and can be asked again.
        again = json.loads(self.poolkd("verdict", "-k", "lab:live", "--count", "2", "--json").stdout)
        self.assertEqual(again["snapshots"], 2)
        self.assertGreater(again["uptime_seconds"], report["uptime_seconds"])

    def test_a_recorded_series_and_the_difference_to_now(self):
        self.start_lab()
        lab.at_first_break(self.debug()).quit("qd")  # it runs: one that waits for a debugger is left waiting
        series = str(self.home / "leak.series")
        self.poolkd("record", series, "-k", "lab:live", "--every", "250ms", "--count", "12")
        trend = json.loads(self.poolkd("trend", series, "Abc", "--json").stdout)
        self.assertEqual(trend["snapshots"], 12)
        self.assertEqual(len(trend["tags"]), 1)
        self.assertGreater(trend["tags"][0]["gained"], 0)

        def row():
            difference = json.loads(self.poolkd("diff", series, "lab:live", "--json").stdout)
            self.assertFalse(difference["restarted"])
            found = next(row for row in difference["rows"] if row["tag"] == "Abc ")
            self.assertEqual(found["before"]["bytes"], trend["tags"][0]["last"])
            return found

        lab.wait_until(lambda: row()["bytes"] > 0, "the leak goes on")
        self.assertGreater(row()["allocs"], 0)

    def test_no_target(self):
        answer = self.poolkd("verdict", "lab:nobody", check=False)
        self.assertNotEqual(answer.returncode, 0)
        self.assertTrue(answer.stderr.startswith("poolkd: "), answer.stderr)
        self.assertEqual(answer.stdout, "")


if __name__ == "__main__":
    lab.unittest.main()
