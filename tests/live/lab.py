"""What the live tests share: practice machines, debugger sessions, and independent ways to look at a machine."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

POOLKD = os.environ["POOLKD"]
MARK = "<end of answer>"
ANSWER_LIMIT = 120  # seconds; what takes longer hangs
GO_LIMIT = 60       # seconds in which the target does what it does in one when the host is idle

# Where tests keep machines and what they write: in memory where there is enough, since machines' memory is written all over.
SCRATCH = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 4 << 30 else "/tmp"


class LiveTest(unittest.TestCase):
    """A test with a home of its own, so that journals and machines of others stay out."""

    arch = None  # of its machines; None: as the run says, x64 by default

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="poolkd-live-", dir=SCRATCH))
        self.environment = dict(os.environ, HOME=str(self.home), XDG_STATE_HOME=str(self.home / "state"),
                                XDG_RUNTIME_DIR=str(self.home), XDG_CACHE_HOME=str(self.home / "cache"))
        for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH", "_NT_DEBUG_PORT"):
            self.environment.pop(name, None)
        self.machines = []

    def tearDown(self):
        self.poolkd("lab", "stop", "--all", check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def poolkd(self, *arguments, check=True, stdin=None):
        result = subprocess.run([POOLKD, *arguments], env=self.environment, input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=ANSWER_LIMIT)
        if check:
            self.assertEqual(result.returncode, 0, f"poolkd {arguments}\n{result.stdout}\n{result.stderr}")
        return result

    def start_lab(self, *options, name="live"):
        # Where a test does not choose, the run does: `./dev matrix` goes through all layout seeds, with KASLR and without.
        chosen = os.environ.get("POOLKD_LIVE_OPTIONS", "").split()
        if "--seed" not in options and "--kaslr" not in options:
            options = (*options, *chosen)
        if self.arch and "--arch" not in options:
            options = (*options, "--arch", self.arch)
        text = self.poolkd("lab", "start", "--json", "--name", name, *options).stdout
        return json.loads(text)

    def debug(self, *options, name="live"):
        return Debugger(self, "-k", f"lab:{name}", *options)


class Debugger:
    """A poolkd that reads commands from a pipe; each answer ends at a mark that it echoes."""

    def __init__(self, test, *arguments):
        self.test = test
        self.process = subprocess.Popen([POOLKD, *arguments], env=test.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)
        test.addCleanup(self.kill)
        self.banner = self.type("")

    def type(self, command):
        try:
            self.process.stdin.write(f"{command}\n.echo {MARK}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.test.fail("poolkd ended: " + self.process.stdout.read())
        lines = []
        with self._limited():
            for line in self.process.stdout:
                if line.strip() == MARK:
                    return "".join(lines)
                lines.append(line)
        self.test.fail("poolkd ended:\n" + "".join(lines))

    def begin(self, command):
        """Types a command whose answer is read later, with that of the next one."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def read_until(self, line):
        """Passes over output up to this line."""
        with self._limited():
            for shown in self.process.stdout:
                if shown.strip() == line:
                    return
        self.test.fail(f"poolkd ended before it showed: {line}")

    def go_until(self, condition, what, seconds=0.5):
        """Lets the target go for a while, and again until the condition holds for what was shown: on a loaded host it does
        little in a second. Returns what was shown."""
        shown = ""
        end = time.monotonic() + GO_LIMIT
        while True:
            shown += self.type(f"g /for {seconds}")
            if condition(shown):
                return shown
            if time.monotonic() > end:
                self.test.fail(f"not within {GO_LIMIT} s: {what}\n{shown}")

    def json(self, command):
        lines = [line for line in self.type(command + " --json").splitlines() if line.startswith("{")]
        self.test.assertEqual(len(lines), 1, f"{command}: {lines}")
        return json.loads(lines[0])

    @contextlib.contextmanager
    def _limited(self):
        timer = signal.signal(signal.SIGALRM, self._too_long)
        signal.alarm(ANSWER_LIMIT)
        try:
            yield
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, timer)

    def _too_long(self, *_):
        self.process.kill()
        self.test.fail("no answer within the limit")

    def value(self, expression):
        """An unsigned number by the expression evaluator."""
        match = re.search(r"Evaluate expression: -?\d+ = ([0-9a-f`]+)", self.type(f"? {expression}"))
        self.test.assertIsNotNone(match, expression)
        return int(match[1].replace("`", ""), 16)

    def quit(self, command="q"):
        self.process.stdin.write(command + "\n")
        return self.end()

    def end(self):
        """Ends the input. The exit code, and what was still shown."""
        self.process.stdin.close()
        with self._limited():
            rest = self.process.stdout.read()
        return self.process.wait(ANSWER_LIMIT), rest

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class GdbStub:
    """QEMU's gdbstub: registers and memory as the emulator itself sees them."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(GO_LIMIT)
        self.socket.connect(path)
        self.data = b""
        self.ask("?")

    def ask(self, text):
        packet = text.encode()
        self.socket.sendall(b"$%s#%02x" % (packet, sum(packet) & 0xFF))
        while True:
            answer = self.packet()
            if text == "?" or not answer.startswith("T"):  # a stop is told whenever it happens
                return answer

    def packet(self):
        while not (found := re.search(rb"\$([^#]*)#..", self.data)):
            self.data += self.socket.recv(65536)
        self.data = self.data[found.end():]
        self.socket.sendall(b"+")
        return found[1].decode()

    def memory(self, address, size):
        data = b""
        while len(data) < size:
            part = min(size - len(data), 0x400)
            answer = self.ask(f"m{address + len(data):x},{part:x}")
            if answer.startswith("E"):
                raise OSError(f"gdbstub: {address + len(data):x} cannot be read ({answer})")
            data += bytes.fromhex(answer)
        return data

    def registers(self):
        """rax rbx rcx rdx rsi rdi rbp rsp r8..r15 rip, and CR3 (register 29 of this QEMU)."""
        data = bytes.fromhex(self.ask("g"))
        names = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
        values = dict(zip(names, struct.unpack_from("<17Q", data)))
        values["cr3"] = struct.unpack("<Q", bytes.fromhex(self.ask("p1d")))[0]
        return values

    def monitor(self, command):
        """The answer of QEMU's own monitor."""
        packet = b"qRcmd," + command.encode().hex().encode()
        self.socket.sendall(b"$%s#%02x" % (packet, sum(packet) & 0xFF))
        text = ""
        while (answer := self.packet()) != "OK":
            if answer.startswith("O"):
                text += bytes.fromhex(answer[1:]).decode()
        return text

    def debug_registers(self):
        """DR0 to DR3 and DR7 of each processor, as the emulator has them."""
        text = self.monitor("info registers -a")
        found = re.findall(r"DR0=(\w+) DR1=(\w+) DR2=(\w+) DR3=(\w+)\s+DR6=\w+ DR7=(\w+)", text)
        return [[int(value, 16) for value in row] for row in found]

    def resume(self):
        self.ask("D")  # detach: the machine goes on
        self.socket.close()


class Monitor:
    """QEMU's monitor (QMP)."""

    @classmethod
    def of(cls, machine):
        return cls(str(pathlib.Path(machine["memory_file"]).parent / "qmp.sock"))

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_LIMIT)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rw")
        self.stream.readline()
        self.run("qmp_capabilities")

    def run(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "error" in answer:
                raise OSError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.stream.close()
        self.socket.close()


def with_stub(machine, look):
    """What QEMU's stub says; it stops the machine while it is connected."""
    gdb = GdbStub(machine["gdb_socket"])
    try:
        return look(gdb)
    finally:
        gdb.resume()


def wait_until_it_runs(machine, counter):
    """Until the target has counted on; `counter` is an address."""
    count = lambda: with_stub(machine, lambda gdb: int.from_bytes(gdb.memory(counter, 4), "little"))
    before = count()
    wait_until(lambda: count() > before + 3, "the target runs", GO_LIMIT)


def at_first_break(debugger):
    """A machine that is booting is slow to acknowledge when the host is loaded. Of a packet that came too early it looks
    at every byte, as NT does, and one in an address may be that of a break-in: then it stops before it is set up."""
    while "nt!KdCheckForDebugBreak" in debugger.type("k"):
        debugger.type("g")
    return debugger


def wait_until(condition, what, limit=GO_LIMIT):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.02)
