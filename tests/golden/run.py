#!/usr/bin/env python3
"""A golden transcript: the commands of NAME.in against the practice kernel, as text (NAME.out) and as JSON (NAME.json).

    run.py NAME.in        POOLKD names the program; POOLKD_GOLDEN_ACCEPT=1 writes the new output as the expected one

A first line `# options: ...` gives options for poolkd. The machine is the same at every boot, so the output is too; the
folder of its images is written as <images>, times of day as <time>. Only where an interrupt came just before a stop may what
it left on the unused part of a stack show (`kb` tells it as arguments): an output that differs has two more tries.
"""

import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from lab_paths import with_plain_lab_paths

TRIES = 3


def normalise(text):
    text = with_plain_lab_paths(text)
    text = re.sub(r"/tmp/poolkd-golden-[^/]*/(out|json)\b", "<home>", text)
    text = re.sub(r"/\S*/lab/x\d\d/era\d+/seed\d+", "<images>", text)
    text = re.sub(r"(?m)^( *\d+) \d\d:\d\d:\d\d ", r"\1 <time> ", text)
    text = re.sub(r'"(create_time|\w+_ticks)":\d+', r'"\1":0', text)
    date = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d(\.\d+)? \d{4}"
    text = re.sub(r'((?:session|debugger|\)) time: |debugger_time":")' + date, r"\1<time>", text)
    text = re.sub(r"System Uptime: \d+ days [\d:.]+", "System Uptime: <time>", text)
    text = re.sub(r"(?m)^((?:Opened|Closing open) log file).*\n", "", text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def transcript(script, options, json_mode, home):
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    log = home / "log"
    environment = dict(os.environ, HOME=str(home), XDG_STATE_HOME=str(home / "state"), XDG_RUNTIME_DIR=str(home), TZ="UTC")
    for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH"):
        environment.pop(name, None)
    arguments = [os.environ["POOLKD"], "--lab=page", "--quiet", "-logo", str(log), *options] + (["--json"] if json_mode else [])
    run = subprocess.run(arguments, input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, timeout=240)
    if not log.exists():
        sys.exit(f"no transcript was written (exit code {run.returncode}):\n{run.stdout}")
    return normalise(log.read_text())


def main():
    source = pathlib.Path(sys.argv[1])
    lines = source.read_text().splitlines(keepends=True)
    options = lines.pop(0).split(":", 1)[1].split() if lines and lines[0].startswith("# options:") else []
    failed = False
    with tempfile.TemporaryDirectory(prefix="poolkd-golden-", dir="/tmp") as folder:
        for suffix, json_mode in ((".out", False), (".json", True)):
            expected_file = source.with_suffix(suffix)
            home = pathlib.Path(folder) / suffix[1:]
            script = "".join(lines)
            if os.environ.get("POOLKD_GOLDEN_ACCEPT") == "1":
                expected_file.write_text(transcript(script, options, json_mode, home))
                continue
            expected = expected_file.read_text() if expected_file.exists() else ""
            for _ in range(TRIES):
                actual = transcript(script, options, json_mode, home)
                if actual == expected:
                    break
            else:
                failed = True
                sys.stdout.writelines(difflib.unified_diff(expected.splitlines(True), actual.splitlines(True), str(expected_file.name), "now"))
    if failed:
        print("\nIf the new output is right: ./dev golden --accept")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
