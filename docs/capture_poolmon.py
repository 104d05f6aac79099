#!/usr/bin/env python3
"""Runs `poolkd poolmon` on a practice machine in a terminal of 100 x 24 and prints the screen: the one in README.md.

    docs/capture_poolmon.py [poolkd] [seconds]
"""

import os
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests" / "live"))

from terminal import Terminal  # noqa: E402


def main():
    poolkd = sys.argv[1] if len(sys.argv) > 1 else str(root / "build" / "release" / "src" / "poolkd")
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    terminal = Terminal([poolkd, "poolmon", "/b", "--lab=page", "--every=1s"], 100, 24, dict(os.environ, TERM="xterm"))
    try:
        terminal.wait_for(lambda: terminal.shows("Verdict"), "verdicts")
        terminal.read(seconds)
        lines = list(terminal.lines)
        terminal.send("q")
        if terminal.wait() != 0 or not terminal.restored():
            sys.exit("poolmon did not end well: " + terminal.process.stderr.read().decode())
    finally:
        terminal.close()
    print("\n".join(line.rstrip() for line in lines).rstrip())


main()
