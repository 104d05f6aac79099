"""A poolkd that is watched: it may neither end by itself, nor hang, nor say what only a defect makes it say."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

POOLKD = os.environ["POOLKD"]
MARK = b"<end of answer>"
MARKED = re.compile(rb'(?:\{"command":"\.echo","text":")?' + MARK + rb'(?:"\})?\n')
AFTER_CTRL_C = 60  # seconds: a break-in has 5, a request on a dead line 12, and a slow machine takes its time
FAULTS = re.compile(r"terminate called|Sanitizer:|runtime error:|Assertion .* failed|std::\w+|internal error|Fatal System Error|"
                    r"Fatal error in the target", re.IGNORECASE)


class Failed(Exception):
    """What must hold does not."""


class WatchedDebugger:
    """Reads commands from a pipe; Ctrl-C ends what takes too long."""

    def __init__(self, environment, log, *arguments):
        self.log = log
        self.text = b""
        self.process = subprocess.Popen([POOLKD, *arguments], env=environment, cwd=environment["HOME"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)

    def ask(self, line, patience=20.0):
        """The answer to a command, or to several lines of input."""
        self.send(line)
        return self.answer(patience)

    def send(self, line):
        # The empty line ends the input that commands like `a` ask for; elsewhere it is skipped.
        self.log.write(f"{time.strftime('%H:%M:%S')}> {line}\n")
        self._write(line.encode(errors="surrogateescape") + b"\n\n.echo " + MARK + b"\n")

    def answer(self, patience):
        """Reads up to the mark; Ctrl-C when `patience` seconds are over, and again every five seconds."""
        begin = time.monotonic()
        next_interrupt, limit = begin + patience, begin + patience + AFTER_CTRL_C
        while not (mark := MARKED.search(self.text)):
            now = time.monotonic()
            if now > limit:
                raise Failed(f"no answer {AFTER_CTRL_C} s after Ctrl-C; so far:\n{self.text[-2000:].decode(errors='replace')}")
            if now >= next_interrupt:
                self.process.send_signal(signal.SIGINT)
                next_interrupt = now + 5
            if not select.select([self.process.stdout], [], [], max(0, min(next_interrupt, limit) - now))[0]:
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Failed(self._ended())
            self.text += data
        answer, self.text = self.text[:mark.start()], self.text[mark.end():]
        return self._examined(answer.decode(errors="replace"))

    def heap_mb(self):
        """Memory that is not a mapped file."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", text)[1]) / 1024

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def leave(self, command):
        """Ends it by a command, or by the end of the input where there is none; what it says to that."""
        self.log.write(f"{time.strftime('%H:%M:%S')}> {command or '(end of input)'}\n")
        if command:
            self._write(command.encode() + b"\n")
        self.process.stdin.close()
        begin = time.monotonic()
        text = b""
        while select.select([self.process.stdout], [], [], max(0, begin + AFTER_CTRL_C - time.monotonic()))[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                break
            text += data
        else:
            raise Failed(f"poolkd does not end: {text[-2000:].decode(errors='replace')}")
        code = self.process.wait(AFTER_CTRL_C)
        answer = self._examined(text.decode(errors="replace"))
        if code not in (0, 1):  # 1: a command failed
            raise Failed(f"poolkd ended with {code}: {answer[-2000:]}")
        self.process.stdout.close()
        return answer

    def _write(self, data):
        try:
            self.process.stdin.write(data)
        except BrokenPipeError:
            raise Failed(self._ended()) from None

    def _examined(self, answer):
        self.log.write(answer)
        if fault := FAULTS.search(answer):
            raise Failed(f"this should never be seen: {fault[0]}\n{answer[-3000:]}")
        for line in answer.splitlines():
            if line.startswith('{"command"'):
                try:
                    json.loads(line)
                except ValueError as error:
                    raise Failed(f"an answer is no JSON ({error}): {line[:1000]}") from None
        return answer

    def _ended(self):
        rest = (self.text + self.process.stdout.read())[-3000:].decode(errors="replace")
        return f"poolkd ended with {self.process.wait(AFTER_CTRL_C)}: {rest}"
