"""`poolkd record`: series of a live kernel, what they cost, and how they end."""

import json
import re
import signal
import sqlite3
import subprocess
import time
import unittest

from lab import ANSWER_LIMIT, GO_LIMIT, POOLKD, LiveTest, wait_until


class Record(LiveTest):
    def record(self, file, *options, target="lab:live"):
        """The summary of a series that ends well."""
        return json.loads(self.poolkd("record", str(self.home / file), "-k", target, "--json", *options).stdout)

    def running_lab(self, *options):
        self.start_lab("page", *options)
        self.assertEqual(self.debug().quit("qd")[0], 0)

    def uptime(self):
        file = self.home / "uptime.jsonl"
        file.unlink(missing_ok=True)
        self.record(file.name, "--count", "1")
        return json.loads(file.read_text())["uptime_seconds"]

    def assert_runs(self):
        before = self.uptime()
        wait_until(lambda: self.uptime() > before + 0.5, "the target runs on", GO_LIMIT)

    def begin(self, *options, file="s.poolkd"):
        process = subprocess.Popen([POOLKD, "record", str(self.home / file), "-k", "lab:live", *options], env=self.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        self.assertRegex(process.stderr.readline(), r"^ +1  \d{4}-\d\d-\d\d .* nonpaged .* paged .* stopped")
        return process

    def test_a_series_grows_and_the_target_runs_on(self):
        self.running_lab()
        summary = self.record("s.poolkd", "--every", "200ms", "--count", "3")
        self.assertEqual((summary["snapshots"], summary["end"], summary["machine"]), (3, "planned", "lab:live"))
        self.assertGreater(summary["elapsed_ms"], 400)
        self.assertLess(summary["stopped_share"], 1)
        self.assertGreater(summary["bytes"], 3 * 100_000)
        added = self.record("s.poolkd", "--every", "100ms", "--for", "400ms")
        self.assertEqual(added["end"], "planned")
        with sqlite3.connect(self.home / "s.poolkd") as series:
            tables = [name for (name,) in series.execute("select name from sqlite_master where type = 'table'")]
            counts = [series.execute(f"select count(*) from {name}").fetchone()[0] for name in tables]
        self.assertGreater(added["snapshots"], 0)
        self.assertEqual(counts[tables.index("snapshots")], 3 + added["snapshots"])
        self.assert_runs()

    def test_text_by_extension(self):
        self.running_lab()
        self.record("s.csv", "--every", "100ms", "--count", "2")
        self.record("s.csv", "--count", "1")
        lines = (self.home / "s.csv").read_text().splitlines()
        self.assertEqual(lines[0], "time,tag,type,allocs,frees,bytes")
        self.assertEqual(lines.count(lines[0]), 1)
        self.assertRegex(lines[1], r"^\d{10}(\.\d{3})?,Abc ,Paged,\d+,\d+,\d+$")
        self.assertEqual(len({line.split(",")[0] for line in lines[1:]}), 3)
        self.record("s.jsonl", "--every", "100ms", "--count", "2")
        first, second = [json.loads(line) for line in (self.home / "s.jsonl").read_text().splitlines()]
        self.assertGreater(second["uptime_seconds"], first["uptime_seconds"])
        self.assertIn("Abc ", [tag["tag"] for tag in second["tags"]])
        self.assertEqual(first["memory"]["nonpaged_limit"], 256 << 20)

    def test_a_file_of_another_machine_is_left_alone(self):
        self.running_lab()
        (self.home / "s.jsonl").write_text('{"machine": "other", "time": "2026-01-01T00:00:00Z", "tags": []}\n')
        refused = self.poolkd("record", str(self.home / "s.jsonl"), "-k", "lab:live", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("holds snapshots of other, not of lab:live", refused.stderr)
        self.assertEqual((self.home / "s.jsonl").read_text().count("\n"), 1)
        self.uptime()  # the target still answers

    def test_ctrl_c_and_sigterm_end_it_well(self):
        self.running_lab()
        for number in signal.SIGINT, signal.SIGTERM:
            process = self.begin("--every", "150ms")
            time.sleep(0.7)
            process.send_signal(number)
            output, _ = process.communicate(timeout=ANSWER_LIMIT)
            self.assertEqual(process.returncode, 0)
            self.assertRegex(output, r"^\d+ snapshots? of lab:live within .*\nThe target stood still for .* over the link\n$")
        self.assert_runs()

    def test_a_target_found_stopped_is_left_stopped(self):
        self.running_lab()
        debugger = self.debug()
        self.assertEqual(debugger.quit("q")[0], 0)
        before = self.uptime()
        time.sleep(1)
        self.assertLess(self.uptime() - before, 0.9)

    def test_a_breakpoint_of_the_target_ends_it_and_stays(self):
        for arch in ("x64", "x86"):
            with self.subTest(arch=arch):
                self.breakpoint_of_the_target("--arch", arch)
                self.poolkd("lab", "stop", "live")

    def breakpoint_of_the_target(self, *options):
        self.running_lab(*options)
        debugger = self.debug()
        debugger.type("ed nt!poolhittag ' cbA'")
        debugger.quit("qd /k")
        result = self.poolkd("record", str(self.home / "s.poolkd"), "-k", "lab:live", "--every", "10s", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("The series ends here: the target reached a breakpoint of its own. The target stands.", result.stderr)
        again = self.debug()
        self.assertIn("nt!DbgBreakPoint:", again.banner)
        again.quit("q")

    def test_a_restart_goes_into_the_series(self):
        self.running_lab()
        process = self.begin("--every", "200ms", file="s.jsonl")
        snapshots = lambda: (self.home / "s.jsonl").read_text().count("\n")
        wait_until(lambda: snapshots() > 1, "two snapshots", ANSWER_LIMIT)
        self.poolkd("lab", "restart", "live")
        before = snapshots()
        wait_until(lambda: snapshots() > before + 3, "snapshots behind the restart", ANSWER_LIMIT)  # one may be on its way
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=ANSWER_LIMIT)
        self.assertEqual(process.returncode, 0, errors)
        self.assertIn("The target was restarted.", errors)
        self.assertGreater(int(re.match(r"(\d+) snapshots", output)[1]), 4)

    def test_words_that_mean_nothing(self):
        self.assertEqual(self.poolkd("record", check=False).returncode, 2)
        self.assertEqual(self.poolkd("record", "x", check=False).returncode, 2)  # no target
        wrong = self.poolkd("record", "x", "--lab", "--every", "soon", check=False)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("'soon'", wrong.stderr)
        self.assertEqual(self.poolkd("record", "x", "-k", "unix:/nowhere", check=False).returncode, 3)
        self.assertIn("--every", self.poolkd("record", "--help").stdout)


if __name__ == "__main__":
    unittest.main()
