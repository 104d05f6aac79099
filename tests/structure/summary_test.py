"""The summary must count every way in which ctest reports a test, and never turn a missing test into a pass."""

import tempfile
import unittest
from pathlib import Path

from summary import summarize

PASSED = '<testcase name="A.Ok" status="run"><system-out>fine</system-out></testcase>'
FAILED = '<testcase name="A.Bad" status="fail"><failure message=""/><system-out>no</system-out></testcase>'
SKIPPED = """<testcase name="A.Skip" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
<system-out>[ RUN      ] A.Skip
a.cpp:2: Skipped
the recorded session is not here
[  SKIPPED ] A.Skip (0 ms)</system-out></testcase>"""
MISSING = '<testcase name="B" status="notrun"><skipped message="Unable to find executable"/></testcase>'
DISABLED = '<testcase name="A.Off" status="disabled"><system-out>Disabled</system-out></testcase>'


GTEST_PASSED = '<testcase name="Ok" status="run" result="completed" classname="A"/>'
GTEST_FAILED = '<testcase name="Bad" status="run" result="completed" classname="A"><failure message="no" type=""/></testcase>'
GTEST_SKIPPED = """<testcase name="Skip" status="run" result="skipped" classname="A">
<skipped message="a.cpp:2&#x0A;the recorded session is not here&#x0A;"/></testcase>"""
GTEST_DISABLED = '<testcase name="DISABLED_Off" status="notrun" result="suppressed" classname="A"/>'


class Summary(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, *cases):
        path = self.folder / f"{name}.xml"
        path.write_text(f"<testsuite>{''.join(cases)}</testsuite>", encoding="utf-8")
        return path

    def test_all_passed(self):
        files = [self.file("one", PASSED, PASSED), self.file("two", PASSED)]
        self.assertEqual(summarize(files), (["3 passed, 0 failed"], 0))

    def test_failure_and_skip_are_named(self):
        lines, code = summarize([self.file("one", FAILED, PASSED, SKIPPED, DISABLED)])
        self.assertEqual(
            lines,
            [
                "skipped (one): A.Skip: skipped: the recorded session is not here",
                "skipped (one): A.Off: disabled",
                "failed (one): A.Bad",
                "1 passed, 1 failed, 2 skipped",
            ],
        )
        self.assertEqual(code, 1)

    def test_what_googletest_wrote(self):
        lines, code = summarize([self.file("unit", GTEST_PASSED, GTEST_FAILED, GTEST_SKIPPED, GTEST_DISABLED)])
        self.assertEqual(
            lines,
            [
                "skipped (unit): A.Skip: skipped: the recorded session is not here",
                "skipped (unit): A.DISABLED_Off: disabled",
                "failed (unit): A.Bad",
                "1 passed, 1 failed, 2 skipped",
            ],
        )
        self.assertEqual(code, 1)

    def test_programs_count_only_where_they_failed(self):
        programs, unit = self.file("programs", PASSED, FAILED, MISSING), self.file("unit", GTEST_PASSED)
        lines, code = summarize([programs, unit], programs={programs})
        self.assertEqual(lines[-1], "1 passed, 2 failed")
        self.assertEqual(code, 1)
        good = self.file("good", PASSED)
        self.assertEqual(summarize([good, unit], programs={good}), (["1 passed, 0 failed"], 0))
        none = self.file("none")
        self.assertEqual(summarize([none, unit], programs={none})[1], 1)

    def test_skip_alone_is_no_failure(self):
        self.assertEqual(summarize([self.file("one", PASSED, SKIPPED)])[1], 0)

    def test_skip_where_none_is_allowed(self):
        unit, lab = self.file("unit", PASSED, SKIPPED), self.file("lab", PASSED, SKIPPED, DISABLED)
        lines, code = summarize([unit, lab], {lab})
        self.assertEqual(lines[-1], "2 passed, 2 failed, 1 skipped")
        self.assertEqual(code, 1)

    def test_no_test_where_some_must_run(self):
        unit, lab = self.file("unit", PASSED), self.file("lab")
        self.assertEqual(summarize([unit, lab], {lab}), (["failed (lab): no test is there", "1 passed, 1 failed"], 1))

    def test_missing_program(self):
        lines, code = summarize([self.file("one", PASSED, MISSING)])
        self.assertEqual(lines, ["failed (one): B: did not run: Unable to find executable", "1 passed, 1 failed"])
        self.assertEqual(code, 1)

    def test_no_test_at_all(self):
        self.assertEqual(summarize([self.file("one")]), (["0 passed, 0 failed"], 1))


if __name__ == "__main__":
    unittest.main()
