"""A program in a terminal of our own: what it shows, keys for it, and the state it leaves the terminal in."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

CONTROL = re.compile(r"\x1b\[(\?)?([0-9;]*)([A-Za-z])")


class Terminal:
    """Runs a program in a pseudo terminal and keeps the screen as lines of text."""

    def __init__(self, arguments, columns=100, rows=24, environment=None):
        self.master, self.slave = pty.openpty()
        self.resize(columns, rows, tell=False)
        self.before = termios.tcgetattr(self.slave)
        # As a shell does it: a session and a foreground process group of its own, so that Ctrl-C reaches it alone.
        self.process = subprocess.Popen(arguments, stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE, env=environment,
                                        start_new_session=True, preexec_fn=self._take_terminal)
        self.modes = set()
        self.raw = ""
        self.pending = ""
        self.alternate_lines = None

    def _take_terminal(self):
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def resize(self, columns, rows, tell=True):
        self.columns, self.rows = columns, rows
        self.lines = [""] * rows
        self.row = self.column = 0
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.killpg(self.process.pid, signal.SIGWINCH)

    def send(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds):
        """Takes what comes within the time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], min(left, 0.05))[0]:
                continue
            try:
                text = os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                return
            self.raw += text
            self._show(text)

    def wait_for(self, condition, what, limit=60):
        end = time.monotonic() + limit
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {limit} s: {what}\n" + "\n".join(self.lines))
            self.read(0.1)

    def shows(self, text):
        return any(text in line for line in self.lines)

    def _show(self, text):
        text = self.pending + text
        self.pending = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = CONTROL.match(text, at)
                if not match:
                    self.pending = text[at:]
                    return
                self._control(match[1], match[2], match[3])
                at = match.end()
                continue
            if text[at] == "\r":
                self.column = 0
            elif text[at] == "\n":
                self.row += 1
            else:
                self._put(text[at])
            at += 1

    def _put(self, character):
        while self.row >= self.rows:
            self.lines = self.lines[1:] + [""]
            self.row -= 1
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + character + line[self.column + 1:]
        self.column += 1

    def _control(self, private, numbers, what):
        values = [int(n) if n else 0 for n in numbers.split(";")]
        if private:
            (self.modes.add if what == "h" else self.modes.discard)(values[0])
        elif what == "H":
            self.row = max(values[0], 1) - 1
            self.column = max(values[1], 1) - 1 if len(values) > 1 else 0
        elif what == "K":
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif what == "J":
            keep = 0 if values[0] == 2 else self.row
            self.lines = [line if i < keep else "" for i, line in enumerate(self.lines)]

    def restored(self):
        """The terminal is as it was before the program came."""
        good_modes = 1049 not in self.modes and 2026 not in self.modes and {7, 25} <= self.modes
        return good_modes and termios.tcgetattr(self.slave) == self.before

    def wait(self, limit=60):
        """Reads to the end of the program and gives its exit code."""
        end = time.monotonic() + limit
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise AssertionError("the program does not end:\n" + "\n".join(self.lines))
            self.read(0.05)
        self.read(0.05)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
