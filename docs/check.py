#!/usr/bin/env python3
"""Runs the commands that the documentation shows and compares what they print with what it says they print.

    check.py FILE.md ...      POOLKD names the program; POOLKD_GOLDEN_ACCEPT=1 writes the new output into the files

A console block is checked when the line before it is `<!-- check -->`. Its lines are

    $ command      run by the shell; `poolkd -k ...` and `poolkd --lab ...` without -c, pipe or file stay open
    kd> command    given to the poolkd that is open
    anything else  the output of the command above

and in the output

    ...            stands for any number of lines
    ^C             first line: Ctrl-C is pressed after four seconds
    Killed         last line: poolkd is killed (SIGKILL) after four seconds

Behind `<!-- check numbers -->` numbers, addresses and the blanks before them may differ: a target that ran for a while has
counted further, how far depends on the machine. What is shown there must not depend on it otherwise: no order by counts.
Paths, dates, process numbers and times of day are replaced by fixed ones. JSON is broken into lines for the reader.
"""

import difflib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests/golden"))
from lab_paths import with_plain_lab_paths  # noqa: E402

CASES = ROOT / "tests/cases"
MARK = "<end of answer>"
MAXIMUM_SECONDS = 500
RUN_SECONDS = 4
WIDTH = 110

# What differs from machine to machine and from run to run.
REPLACEMENTS = [
    (r"/[^\s\"]*/poolkd-lab/", "/run/user/1000/poolkd-lab/"),
    (r"/[^\s\"]*/lab/(x\d\d/era\d+/seed\d+)", r"/usr/local/share/poolkd/lab/\1"),
    (r"\bsession-\d+", "session-4711"),
    (r"\bprocess \d+", "process 4711"),
    (r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d (\(UTC \S+\) )?\d{4}", "Mon Jun  1 12:00:00 2026"),
    (r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d\.\d+ \d{4}", "Mon Jun  1 12:00:00.250 2026"),
    (r"(?m)^(Time: +)[-\d]+ [:\d]+( UTC, one snapshot; times are assumed)", r"\g<1>2026-06-01 12:00:00\2"),
    (r"System Uptime: .*", "System Uptime: 0 days 0:00:00.250"),
    (r"(?m)^( *\d+) \d\d:\d\d:\d\d ", r"\1 12:00:00 "),
]

# What differs behind `check numbers`: numbers, 64-bit addresses, and what depends on who ran at the moment of the stop.
# When new output is accepted only decimal numbers count as that, so that addresses of older images do not stay for ever.
ACCEPT = os.environ.get("POOLKD_GOLDEN_ACCEPT") == "1"
VARYING = ([] if ACCEPT else [r" *\b[0-9a-f]{8}`?[0-9a-f]{8}\b"]) + [r" *\d+"]
VARYING_WORDS = [
    r"; \d+ free blocks still bear the tag",  # until the next owner writes its own
    r", all that the kernel counts there|; the kernel counts \d+ and \d+",  # in the middle of an allocation one is ahead
]


def pretty(value, indent=0):
    """JSON in lines that are not too long: what fits into one is one."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    blanks = " " * (indent + 2)
    if isinstance(value, list):
        parts = [blanks + pretty(item, indent + 2) for item in value]
    else:
        parts = [f"{blanks}{json.dumps(key)}: {pretty(item, indent + 2)}" for key, item in value.items()]
    open_sign, close_sign = "[]" if isinstance(value, list) else "{}"
    return open_sign + "\n" + ",\n".join(parts) + "\n" + " " * indent + close_sign


def shown(text):
    """Output as the documentation shows it, in lines."""
    text = with_plain_lab_paths(text)
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    lines = []
    for line in text.splitlines():
        if line.startswith(('{"', "[{")):
            lines += pretty(json.loads(line)).splitlines()
        else:
            lines.append(line.rstrip())
    while lines and not lines[-1]:
        lines.pop()
    return lines


class Runner:
    """Runs commands in an environment of its own, at most one poolkd at a time being open."""

    def __init__(self, folder):
        self.environment = dict(os.environ, HOME=str(folder), XDG_RUNTIME_DIR=str(folder), TZ="UTC", LC_ALL="C.UTF-8")
        for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.environment.pop(name, None)
        # The files of evidence that the examples name lie where they run.
        for file in [*(CASES / "evidence").iterdir(), *(CASES / "public").glob("*.csv")]:
            shutil.copy(file, folder)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "poolkd").symlink_to(pathlib.Path(os.environ["POOLKD"]).resolve())
        self.environment["PATH"] = f"{programs}:{self.environment['PATH']}"
        self.folder = folder
        self.code = 0
        self.process = None

    def shell(self, command):
        if re.match(r"poolkd (-k|--lab)", command) and not re.search(r"[|<>]| -cf? ", command):
            self.process = subprocess.Popen(command.split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                            bufsize=1, env=self.environment, cwd=self.folder)
            return self.answer()
        run = subprocess.run(["bash", "-c", f"(exit {self.code}); {command}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env=self.environment, cwd=self.folder)
        self.code = run.returncode
        return run.stdout

    def write(self, line):
        try:
            self.process.stdin.write(line + "\n")
        except BrokenPipeError:
            pass  # it has ended; what it said before is still to be read

    def answer(self):
        self.write(f".echo {MARK}")
        text = ""
        for line in self.process.stdout:
            if line.strip() in (MARK, json.dumps({"command": ".echo", "text": MARK}, separators=(",", ":"))):
                return text
            text += line
        self.code = self.process.wait()
        self.process = None
        return text

    def debugger(self, command, expected):
        if not self.process:
            sys.exit(f"no poolkd is open for: {command}")
        self.write(command)
        if expected[-1:] == ["Killed"]:
            time.sleep(RUN_SECONDS)
            self.process.kill()
            self.process.wait()
            return "Killed\n"
        if command in ("q", "qd"):
            self.process.stdin.close()
            text = self.process.stdout.read()
            self.code = self.process.wait()
            return text
        if expected[:1] == ["^C"]:
            time.sleep(RUN_SECONDS)
            self.process.send_signal(signal.SIGINT)
            return "^C\n" + self.answer()
        return self.answer()

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        subprocess.run([os.environ["POOLKD"], "lab", "stop", "--all"], env=self.environment, stdout=subprocess.DEVNULL)


def matches(expected, actual, numbers_vary):
    def comparable(lines):
        if not numbers_vary:
            return lines
        return [re.sub("|".join(VARYING), "#", re.sub("|".join(VARYING_WORDS), "", line)) for line in lines]

    pattern = "".join(r"(.*\n)*" if line == "..." else re.escape(line + "\n") for line in comparable(expected))
    return re.fullmatch(pattern, "".join(line + "\n" for line in comparable(actual))) is not None


def shortened_alike(expected, actual):
    """New output with as many lines before and after `...` as the old one had."""
    if expected.count("...") != 1:
        return actual
    head = expected.index("...")
    tail = len(expected) - head - 1
    if len(actual) <= head + tail + 1:
        return actual
    return actual[:head] + ["..."] + actual[len(actual) - tail :]


def run_block(runner, lines, numbers_vary):
    """The block as it should read now."""
    new = []
    at = 0
    while at < len(lines):
        command = lines[at]
        end = at + 1
        while end < len(lines) and not lines[end].startswith(("$ ", "kd> ")):
            end += 1
        expected = lines[at + 1 : end]
        # Blank lines that only set commands apart.
        blank = len(expected) - len("\n".join(expected).rstrip("\n").splitlines())
        expected = expected[: len(expected) - blank]
        if command.startswith("$ "):
            actual = shown(runner.shell(command[2:]))
        elif command.startswith("kd> "):
            actual = shown(runner.debugger(command[4:], expected))
        else:
            sys.exit(f"a checked block begins with a command, not with: {command}")
        good = matches(expected, actual, numbers_vary)
        new += [command, *(expected if good else shortened_alike(expected, actual)), *[""] * blank]
        at = end
    return new


def check(file):
    old = file.read_text().splitlines()
    new = []
    with tempfile.TemporaryDirectory(prefix="poolkd-docs-", dir="/tmp") as folder:
        runner = Runner(pathlib.Path(folder))
        try:
            at = 0
            while at < len(old):
                new.append(old[at])
                marker = re.fullmatch(r"<!-- check( numbers)? -->", old[at])
                at += 1
                if not marker:
                    continue
                end = old.index("```", at)
                new.append(old[at])
                new += run_block(runner, old[at + 1 : end], bool(marker[1]))
                at = end
        finally:
            runner.end()
    if new == old:
        return True
    if ACCEPT:
        file.write_text("\n".join(new) + "\n")
        return True
    sys.stdout.writelines(line + "\n" for line in difflib.unified_diff(old, new, file.name, "now", lineterm=""))
    return False


def main():
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"not done after {MAXIMUM_SECONDS} seconds"))
    signal.alarm(MAXIMUM_SECONDS)
    good = [check(pathlib.Path(name)) for name in sys.argv[1:]]
    if not all(good):
        print("\nIf the new output is right: ./dev golden --accept")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
