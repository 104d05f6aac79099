"""Sums the JUnit files of ctest runs and GoogleTest programs: names what failed or was skipped, and closes with one line of
counts.

usage: summary.py [--no-skips FILE | --programs FILE]... [FILE]...

In a file after --no-skips (the lab's tests: the project builds and starts its own lab) a skipped test has failed, and
so has a file without tests. The tests of a file after --programs are programs that tell in files of their own what ran in them:
it adds only those that failed, as one that crashed has, to the counts.
Exit code 1 when anything failed, or when no test passed at all.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree


def reason(case):
    """Why a test was skipped: GoogleTest prints it after the line that ends in `: Skipped`."""
    lines = [line.strip() for line in (case.findtext("system-out") or "").splitlines()]
    for index, line in enumerate(lines):
        if line.endswith(": Skipped") and index + 1 < len(lines):
            return lines[index + 1]
    return "no reason given"


def judge(case, skips_allowed):
    """'passed', 'failed' or 'skipped' for one testcase element, and the line to show (or None)."""
    name, status = case.get("name"), case.get("status")
    if case.get("result"):
        return judge_gtest(case, skips_allowed)
    if status == "run":
        return "passed", None
    if status == "disabled":
        return ("skipped" if skips_allowed else "failed"), f"{name}: disabled"
    skipped = case.find("skipped")
    if status == "notrun" and skipped is not None:
        # Only this message is a test's own decision to skip; a missing program comes as `notrun` too.
        if skipped.get("message", "").startswith("SKIP_"):
            return ("skipped" if skips_allowed else "failed"), f"{name}: skipped: {reason(case)}"
        return "failed", f"{name}: did not run: {skipped.get('message')}"
    return "failed", name


def judge_gtest(case, skips_allowed):
    """The same for an element that GoogleTest itself wrote, which has its class apart and a result."""
    name = f"{case.get('classname')}.{case.get('name')}"
    if case.find("failure") is not None:
        return "failed", name
    if case.get("result") == "completed":
        return "passed", None
    skipped = case.find("skipped")
    # The first line is the place in the source.
    reason_lines = skipped.get("message", "").splitlines()[1:] if skipped is not None else []
    why = f"skipped: {' '.join(reason_lines) or 'no reason given'}" if skipped is not None else "disabled"
    return ("skipped" if skips_allowed else "failed"), f"{name}: {why}"


def summarize(files, no_skips=(), programs=()):
    """The lines to print and the exit code. `no_skips` are those of `files` in which a skipped test counts as failed, `programs`
    those whose tests are counted by other files."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    shown = []
    for file in files:
        cases = list(ElementTree.parse(file).getroot().iter("testcase"))
        if not cases and (file in no_skips or file in programs):
            counts["failed"] += 1
            shown.append(("failed", f"failed ({file.stem}): no test is there"))
        for case in cases:
            verdict, line = judge(case, file not in no_skips and file not in programs)
            if file in programs and verdict == "passed":
                continue
            counts[verdict] += 1
            if line:
                shown.append((verdict, f"{verdict} ({file.stem}): {line}"))
    # The failed ones last, next to the counts, where they are seen.
    lines = [line for verdict, line in sorted(shown, key=lambda entry: entry[0], reverse=True)]
    total = f"{counts['passed']} passed, {counts['failed']} failed"
    if counts["skipped"]:
        total += f", {counts['skipped']} skipped"
    return [*lines, total], 1 if counts["failed"] or not counts["passed"] else 0


def main(words):
    files, kinds = [], {"--no-skips": set(), "--programs": set()}
    kind = None
    for word in words:
        if word in kinds:
            kind = word
            continue
        files.append(Path(word))
        if kind:
            kinds[kind].add(files[-1])
        kind = None
    lines, code = summarize(files, kinds["--no-skips"], kinds["--programs"])
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
