#!/usr/bin/env python3
"""Writes docs/commands.md: every command of kd, what poolkd makes of it, and which test runs it.

    commands.py            POOLKD names the program; POOLKD_GOLDEN_ACCEPT=1 writes the file, else it is compared

What kd has stands in commands.table, what poolkd has comes from the program (`poolkd help --json`), and the tests are
searched for lines that run the command; of the documentation only what docs/check.py runs. A command that is said to work
must be in the program and in a test.
"""

import collections
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE, OUTPUT = ROOT / "docs/commands.table", ROOT / "docs/commands.md"
WORDS = {"": "works", "differs": "differs", "no": "not ours", "later": "not yet"}
# Where commands are run, and what the place is called in the table.
TESTS = [("golden", "tests/golden/*.in"), ("docs", "docs/*.md"), ("live", "tests/live/*.py"), ("unit", "tests/commands/*.cpp"),
         ("unit", "tests/debugger/*.cpp"), ("script", "scripts/*")]
HEAD = """# Commands

What kd has, and what poolkd makes of it. The file is written by `docs/commands.py` from `docs/commands.table`, the
program's own table of commands, and the tests; `./dev golden` compares it, `./dev golden --accept` writes it anew.

**works**: as kd has it. **differs**: there, and how it is not the same. **not ours**: will not come, and why. **not yet**: what to
use meanwhile. The last column names tests that run the command against the practice kernel (golden, live, docs) or in
memory (unit). `.help NAME` at the prompt tells the options.
"""


def fail(problems):
    sys.exit("\n".join(problems))


def read_table():
    """[(section, [(names, mark, text)])]"""
    sections = []
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if line.startswith("== "):
            sections.append((line[3:], []))
        elif line and not re.match(r"#($| [^|])", line):
            names, _, rest = line.partition(" | ")
            mark, _, text = rest.partition(":")
            if mark.strip() not in WORDS or not sections:
                fail([f"{TABLE.name}:{number}: {line}"])
            sections[-1][1].append((names.split(", "), mark.strip(), text.strip()))
    return sections


def program_commands():
    """{name: command} for every name that the program knows."""
    run = subprocess.run([os.environ["POOLKD"], "help", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                         timeout=120, check=True, env={})
    return {name: command for command in json.loads(run.stdout)["commands"] for name in command["names"]}


def checked_lines(text):
    """Of a page of documentation, the prompts that docs/check.py types at."""
    blocks = re.findall(r"(?ms)^<!-- check(?: numbers)? -->\n```[^\n]*\n(.*?)^```$", text)
    return "\n".join(line for block in blocks for line in block.splitlines() if line.startswith("kd> "))


def tests_by_place():
    places = collections.defaultdict(list)
    for place, pattern in TESTS:
        for path in sorted(ROOT.glob(pattern)):
            if path != OUTPUT:
                text = path.read_text()
                places[place].append((path.stem, checked_lines(text) if place == "docs" else text))
    return places


def run_by(name, places):
    """Where a line or a quoted text begins with the command, or a `;` or an opening brace stands before it."""
    before = r"(?m)(?:^|kd> |[;\"'{(]) *"
    touching = r"(?![\w!.-])" if re.match(r"[.!?\w]", name) else ""
    if name in ("~", "j", "z", "s", "p", "t", "g", "k", "r", "u", "x", "a", "c", "e", "f", "m", "d", "n"):
        touching = r"(?=[ ;\d\"'*(]|$)"
    found = []
    for place, files in places.items():
        flags = "" if name in ("kP", "kp", "dD", "eD", "dW", "aS", "as") else "(?i)"
        begins = before if place in ("golden", "script") else before.replace("^|", "")
        pattern = re.compile(flags + begins + re.escape(name) + touching)
        hits = [stem for stem, text in files if pattern.search(text)]
        if hits:
            found.append(f"{place}: {', '.join(sorted(set(hits))[:2])}")
    return found


def row(names, status, text, tests):
    cells = ", ".join(f"`{name}`" for name in names), status, text.replace("|", "\\|"), "; ".join(tests)
    return "| " + " | ".join(cells) + " |"


def build():
    program, places, problems, listed = program_commands(), tests_by_place(), [], set()
    lines, counts = [], collections.Counter()
    for section, entries in read_table():
        lines += ["", f"## {section}", "", "| Command | | How, why, what instead | Run by |", "|---|---|---|---|"]
        for names, mark, text in entries:
            listed.update(names)
            counts[WORDS[mark]] += len(names)
            tests = []
            for name in names:
                here, runs = name in program, run_by(name, places)
                if mark in ("", "differs"):
                    if not here:
                        problems.append(f"{name}: the table says {WORDS[mark]}, and the program has no such command")
                    if not runs:
                        problems.append(f"{name}: no test runs it")
                    tests += [run for run in runs[:1] if run not in tests]
                elif here:
                    problems.append(f"{name}: the table says {WORDS[mark]}, and the program has it")
            lines.append(row(names, WORDS[mark], text, tests[:2]))
    own = {}
    for name, command in program.items():
        if not listed.intersection(command["names"]):
            own[command["names"][0]] = command
    lines += ["", "## poolkd's own", "", "| Command | | What it does | Run by |", "|---|---|---|---|"]
    for name in sorted(own):
        lines.append(row(own[name]["names"], "", own[name]["summary"], run_by(name, places)[:2]))
    verbs = {"works": "work", "differs": "differ", "not ours": "are not ours", "not yet": "are not yet there"}
    summary = ", ".join(f"{counts[word]} {verb}" for word, verb in verbs.items())
    if problems:
        fail(problems)
    return HEAD + f"\nOf the commands listed here {summary}; {len(own)} are poolkd's own.\n" + "\n".join(lines) + "\n"


def main():
    text = build()
    if os.environ.get("POOLKD_GOLDEN_ACCEPT") == "1":
        OUTPUT.write_text(text)
        return
    was = OUTPUT.read_text() if OUTPUT.exists() else ""
    if text != was:
        sys.stdout.writelines(difflib.unified_diff(was.splitlines(True), text.splitlines(True), OUTPUT.name, "now"))
        fail(["If the new table is right: ./dev golden --accept"])


if __name__ == "__main__":
    main()
