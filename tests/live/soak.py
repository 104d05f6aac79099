"""A random session against practice machines: valid and broken commands, runs, steps, breakpoints, writes, Ctrl-C at any
moment, a link that breaks, a debugger that is killed, a target that is reset.

    soak.py [--seconds N] [--seed N] [--images DIR] [--memory MB] [--verbose]

What must hold: poolkd never ends by itself and never hangs, its memory stays bounded, and the target keeps no trace: at
the end of each round the code of all its modules and PoolHitTag are compared, through QEMU, with the image files.
The seed is printed; the same seed draws the same commands. (What they meet still depends on time: a machine runs.)
"""

import argparse
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from lab import GdbStub

POOLKD = os.environ["POOLKD"]
MARK = "<end of answer>"
AFTER_CTRL_C = 45  # seconds: a break-in has 5, a dead link 12 for a request, and three of these may follow each other
RUNS = {"g", "gh", "gu", "p", "t", "pt", "tt", "pc", "tc", "pa", "ta", "gc", ".reboot"}
# Not drawn: what ends the session, what reads further lines, what reaches out of the machine, what breaks the target.
NOT_DRAWN = {"q", "qq", "qd", "a", "e", "f", "m", "gn", ".crash", ".shell", ".symfix", ".sympath", ".logopen", ".logappend", "as", "aS"}
FAULTS = re.compile(r"terminate called|AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed|std::(?:bad|logic|length|out_of|exception)|Fatal System Error")


class Failed(Exception):
    pass


class Proxy:
    """Stands between poolkd and the machine's debug port, so that the link can break."""

    def __init__(self, path, machine):
        self.machine = machine
        self.ends = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(4)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                host = self.server.accept()[0]
                target = socket.socket(socket.AF_UNIX)
                target.connect(self.machine)
            except OSError:
                return
            self.ends = [host, target]
            for source, sink in ((host, target), (target, host)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.server.close()
        self.cut()


class Debugger:
    """A poolkd that reads commands from a pipe, with Ctrl-C for what takes too long."""

    def __init__(self, environment, log, *arguments):
        self.log = log
        self.process = subprocess.Popen([POOLKD, *arguments], env=environment, cwd=environment["HOME"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.text = b""

    def send(self, line):
        try:
            self.process.stdin.write(line + b"\n.echo " + MARK.encode() + b"\n")
        except BrokenPipeError:
            raise Failed("poolkd ended: " + self._rest())

    def answer(self, patience):
        """Reads up to the mark; Ctrl-C when `patience` seconds are over, and again every five seconds."""
        begin = time.monotonic()
        next_interrupt, limit = begin + patience, begin + patience + AFTER_CTRL_C
        mark = MARK.encode() + b"\n"
        while mark not in self.text:
            now = time.monotonic()
            if now > limit:
                raise Failed(f"no answer {AFTER_CTRL_C} s after Ctrl-C; so far:\n{self.text[-2000:].decode(errors='replace')}")
            if now >= next_interrupt:
                self.interrupt()
                next_interrupt = now + 5
            if not select.select([self.process.stdout], [], [], max(0, min(next_interrupt, limit) - now))[0]:
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Failed("poolkd ended: " + self._rest())
            self.text += data
        answer, _, self.text = self.text.partition(mark)
        answer = answer.decode(errors="replace")
        self.log.write(answer)
        if FAULTS.search(answer):
            raise Failed("this should never be seen: " + FAULTS.search(answer)[0] + "\n" + answer[-3000:])
        return answer

    def ask(self, line, patience=20.0):
        self.log.write(f"> {line}\n")
        self.send(line.encode())
        return self.answer(patience)

    def interrupt(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def resident(self):
        """MB, and the most there ever were."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 1024 for name in ("VmRSS", "VmHWM")]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def end(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.close()
        text = self.process.stdout.read().decode(errors="replace")
        code = self.process.wait(60)
        if code not in (0, 1) or FAULTS.search(text):
            raise Failed(f"exit code {code}: {text[-3000:]}")

    def _rest(self):
        rest = self.text + self.process.stdout.read()
        return f"exit code {self.process.wait(20)}\n" + rest[-3000:].decode(errors="replace")


class Grammar:
    """Draws commands: most as a user would type them, some broken."""

    def __init__(self, draw, names):
        self.draw = draw
        self.names = [name for name in names if name not in NOT_DRAWN and not name.startswith("e")]

    def address(self):
        return self.draw.choice([
            "nt!ExAllocatePoolWithTag", "leaky!LeakyBuildReport", "leaky!LeakyQueueEvent", "nt!PoolHitTag", "nt!PoolTrackTable",
            "@$ip", "@$csp", "@rsp", "@rip", "nt", "leaky", "poi(nt!PoolTrackTable)", "nt!nosuch", "0", "ffffffff`ffffffff",
            "fffff800`00400000", "nt!PoolHitTag+10", f"{self.draw.getrandbits(64):x}"])

    def number(self):
        return self.draw.choice(["0", "1", "10", "L4", "L?100", "Lffffffff", "0n12", "0x", "1234567890abcdef12345", "@$t1", "-1", "L0"])

    def arguments(self, name):
        draw = self.draw
        tag = draw.choice(["Abc", "Tron", "IoN7", "*", "A?c", "Gla5", "'", "\"Abc \""])
        special = {
            "!poolused": lambda: draw.choice(["", "4", "2 Abc", "/t 3 4", "1 --json", tag]),
            "!poolfind": lambda: f"{tag} {draw.choice(['', '0', '1', '-total', '-large', '-small -paged'])}",
            "!pool": lambda: draw.choice([self.address(), "@rax", "ffffc000`02ad4260"]),
            ".tag": lambda: tag,
            "dt": lambda: draw.choice(["nt!_POOL_HEADER", "nt!_KPRCB @$prcb", "nt!_LIST_ENTRY nt!PsLoadedModuleList", "nt!nosuch"]),
            "x": lambda: draw.choice(["nt!Pool*", "leaky!*", "*!*Tag*", "nosuch!*"]),
            "s": lambda: draw.choice(["-d nt L2000 20636241", "-a nt L?3000 \"Ex\"", "0 L?ffffffffffff 1", "nt L100 4d 5a"]),
            "r": lambda: draw.choice(["", "@rax", "$t0=1234", "@rax=@rax", "$t1=poi(nt!PoolHitTag)"]),
            "?": lambda: draw.choice(["1+1", "((((1", "nt!PoolHitTag+@rsp*2", "1/0", "poi(0)", "'Abc '"]),
            "n": lambda: draw.choice(["10", "16", "8"]),
            "lm": lambda: draw.choice(["", "m l*", "v m leaky", "--json"]),
            ".frame": lambda: self.number(),
            ".echo": lambda: "text",
            ".kframes": lambda: "20",
            "!gflag": lambda: draw.choice(["", "+ptg"]),
            "!sym": lambda: draw.choice(["noisy", "quiet"]),
            ".undo": lambda: draw.choice(["", "*", "1", "99"]),
        }
        if name in ("p", "t"):
            return draw.choice(["", "3", "14"])
        if name in ("bp", "bu", "bm", "ba"):
            form = {"ba": f"{draw.choice('erw')}{draw.choice('1248')} ", "bm": ""}.get(name, "")
            return form + draw.choice(["leaky!LeakyBuildReport", "nt!ExAllocatePoolWithTag", "leaky!Leaky*", "nosuch!x", self.address()])
        if name in ("bc", "bd", "be"):
            return draw.choice(["*", "0", "1-3", "77"])
        if name in special:
            return special[name]()
        return draw.choice(["", self.address(), f"{self.address()} {self.number()}", self.number()])

    def write(self):
        """Only where it does the target no harm: code that has run for the last time, and the tag to stop at."""
        return self.draw.choice(["ed nt!PoolHitTag 'xyzw'", "ed nt!PoolHitTag ' cbA'", "ed nt!PoolHitTag 0",
                                 f"eb leaky!DriverEntry+{self.draw.randrange(32):x} {self.draw.randrange(256):x} 90",
                                 "ea leaky!DriverEntry \"abc\"", f"eq leaky!DriverEntry {self.draw.getrandbits(64):x}",
                                 "ed 0 1", "eb ffffffff`ffffffff 1 2 3"])

    def broken(self, line):
        draw = self.draw
        at = draw.randrange(len(line) + 1)
        kind = draw.randrange(7)
        if kind == 0:
            return line[:at]
        if kind == 1:
            return f"{line} {line}"
        if kind == 2:
            return line[:at] + "".join(chr(draw.choice([*range(1, 10), *range(11, 127), 0xE9, 0x20AC])) for _ in range(8)) + line[at:]
        if kind == 3:
            return line + " " + "9" * draw.randrange(1, 400)
        if kind == 4:
            return line[:at] + draw.choice(["((((", "))", "'", "\"", "{", "}", "${", "@@", "`", "%p", "\\"]) + line[at:]
        if kind == 5:
            return line + " " + "A" * draw.choice([300, 5000, 70000])
        return line[:at] + draw.choice([" --json", " L-1", " /zz", " !", " .", " *"]) + line[at:]

    def line(self):
        name = self.draw.choice(self.names)
        line = f"{name} {self.arguments(name)}".strip()
        if self.draw.random() < 0.25:
            line = self.broken(line)
        # What a fault made of it may be a command that is not drawn.
        for piece in re.split(r"[;{}'\"\n]", line):
            word = piece.strip().lower()
            if any(word == name or word.startswith(name + " ") for name in NOT_DRAWN) or re.match(r"e[a-z]{0,2}\b|r\s+@?r?[ise]?[ip]\b", word):
                return "r"
        return line


class Round:
    """One machine and the debuggers that come and go, until `seconds` are over."""

    def __init__(self, draw, home, environment, options, log):
        self.draw, self.home, self.environment, self.options, self.log = draw, home, environment, options, log
        self.commands = 0
        self.largest = 0.0
        self.settled = None

    def lab(self, *arguments):
        result = subprocess.run([POOLKD, "lab", *arguments], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if result.returncode != 0:
            raise Failed(f"poolkd lab {arguments}: {result.stdout}{result.stderr}")
        return result.stdout

    def connect(self):
        self.debugger = Debugger(self.environment, self.log, "-k", f"com:pipe,port={self.home}/proxy.sock,reconnect", "-y", self.machine["images"])
        self.debugger.send(b"")
        self.debugger.answer(60)
        self.settled = None

    def play(self, seconds, machine_options):
        self.log.write(f"== lab start {' '.join(machine_options)}\n")
        self.machine = json.loads(self.lab("start", "--json", "--name", "soak", *machine_options))
        (self.home / "proxy.sock").unlink(missing_ok=True)
        self.proxy = Proxy(str(self.home / "proxy.sock"), self.machine["kd_socket"])
        try:
            end = time.monotonic() + seconds
            self.connect()
            self.grammar = Grammar(self.draw, self.command_names())
            while time.monotonic() < end:
                self.step()
            self.finish()
        finally:
            self.debugger.kill()
            self.proxy.close()
            subprocess.run([POOLKD, "lab", "stop", "soak"], env=self.environment, capture_output=True)

    def command_names(self):
        names = []
        for line in self.debugger.ask(".help").splitlines():
            if match := re.match(r"  (\S.*?)  +\S", line):
                names += match[1].split()
        if len(names) < 60:
            raise Failed("the list of commands looks wrong: " + " ".join(names))
        return names

    def step(self):
        draw = self.draw
        lot = draw.random()
        if lot < 0.004:
            self.log.write("-- the debugger is killed\n")
            self.debugger.kill()
            self.connect()
        elif lot < 0.008:
            self.log.write("-- the machine is reset\n")
            self.lab("restart", "soak")
        elif lot < 0.02:
            self.log.write("-- the link breaks\n")
            self.proxy.cut()
        line = self.grammar.write() if draw.random() < 0.08 else self.grammar.line()
        if draw.random() < 0.12:
            line = draw.choice(["g", "t", "p", "gu", "bc *", "g /for 0.2"])
        runs = line.split(" ")[0] in RUNS
        patience = draw.choice([0.05, 0.3, 1.0]) if runs else 10.0
        if draw.random() < 0.08:
            patience = draw.random() * 0.05  # Ctrl-C at any moment
        self.log.write(f"> {line}\n")
        cut = draw.random() < 0.01
        self.debugger.send(line.encode())
        if cut:
            time.sleep(draw.random() * 0.02)
            self.log.write("-- the link breaks meanwhile\n")
            self.proxy.cut()
        self.debugger.answer(patience)
        self.commands += 1
        if self.commands % 25 == 0:
            self.check_memory()

    def check_memory(self):
        now, most = self.debugger.resident()
        self.largest = max(self.largest, most)
        if most > self.options.memory:
            raise Failed(f"poolkd uses {now:.0f} MB, and used up to {most:.0f}")

    def finish(self):
        """Takes everything back, leaves with `qd`, and looks at what the target keeps."""
        debugger = self.debugger
        for _ in range(6):
            if re.search(r"\b[re]ip=", debugger.ask("n 16;r")):
                break
            debugger.ask("g", 0.5)
        else:
            raise Failed("the target cannot be stopped any more")
        debugger.ask(".reload")
        debugger.ask(".undo /f *")
        modules = json.loads(next(line for line in debugger.ask("lm --json").splitlines() if line.startswith("{")))["modules"]
        tag = int(re.search(r"= ([0-9a-f`]+)", debugger.ask("? nt!PoolHitTag"))[1].replace("`", ""), 16)
        debugger.end("qd")
        gdb = GdbStub(self.machine["gdb_socket"])
        try:
            if any(gdb.memory(tag, 4)):
                raise Failed("PoolHitTag was left set")
            for module in modules:
                base = int(module["base"], 16)
                for start, expected in code_of(pathlib.Path(self.machine["images"]) / module["image"], base):
                    compare(gdb, module["name"], start, expected)
        finally:
            gdb.resume()


def code_of(path, base):
    """(address, bytes) of an image's code as it looks when loaded at `base`: sections that are executed, not written."""
    data = bytearray(path.read_bytes())
    pe = struct.unpack_from("<I", data, 0x3C)[0]
    sections, optional = struct.unpack_from("<H12xH", data, pe + 6)
    wide = struct.unpack_from("<H", data, pe + 24)[0] == 0x20B
    preferred = struct.unpack_from("<Q" if wide else "<I", data, pe + 24 + (24 if wide else 28))[0]
    relocations = struct.unpack_from("<II", data, pe + 24 + (112 if wide else 96) + 5 * 8)
    table = [struct.unpack_from("<8sIIIIIIHHI", data, pe + 24 + optional + 40 * i) for i in range(sections)]
    image = bytearray(max(s[2] + max(s[1], s[3]) for s in table))
    for _, size, at, raw_size, raw, *_rest in table:
        image[at:at + raw_size] = data[raw:raw + raw_size]
    at, end = relocations[0], sum(relocations)
    while at + 8 <= end:
        page, size = struct.unpack_from("<II", image, at)
        for (entry,) in struct.iter_unpack("<H", image[at + 8:at + size]):
            place, kind = page + (entry & 0xFFF), entry >> 12
            if kind in (3, 10):
                form, mask = ("<I", 0xFFFFFFFF) if kind == 3 else ("<Q", (1 << 64) - 1)
                struct.pack_into(form, image, place, struct.unpack_from(form, image, place)[0] + base - preferred & mask)
        at += size
    for _, size, at, raw_size, *_rest, flags in table:
        if flags & 0x20000000 and not flags & 0x80000000 and not flags & 0x02000000:  # not what is discarded after the start
            yield base + at, bytes(image[at:at + min(size, raw_size)])


def compare(gdb, name, start, expected):
    for at in range(0, len(expected), 0x400):
        part = expected[at:at + 0x400]
        try:
            found = gdb.memory(start + at, len(part))
        except OSError:
            continue  # not present
        if found != part:
            wrong = next(i for i in range(len(part)) if found[i] != part[i])
            raise Failed(f"{name}: code at {start + at + wrong:x} was left changed: {found[wrong:wrong + 8].hex()}, not {part[wrong:wrong + 8].hex()}")


def machines(images):
    """Options of `lab start`, each for a machine that the images know."""
    found = [("page", "--seed", str(seed), *more) for seed in range(5) for more in ((), ("--kaslr",), ("--pipe", "com1"))]
    help_text = subprocess.run([POOLKD, "lab", "start", "--help"], capture_output=True, text=True).stdout
    if "--processors" in help_text:
        found += [("page", "--seed", str(seed), "--processors", "2") for seed in range(5)]
    for arch, era in (("x64", "7"), ("x64", "11"), ("x86", "7"), ("x86", "10")):
        if "--era" in help_text and (images / arch / f"era{era}").exists():
            found += [("page", "--arch", arch, "--era", era, "--seed", path.name.removeprefix("seed"))
                      for path in sorted((images / arch / f"era{era}").glob("seed*"))]
    return found


def main():
    parser = argparse.ArgumentParser(description="A random session against practice machines.")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--images", type=pathlib.Path, default=os.environ.get("POOLKD_LAB_IMAGES"), help="folder of the practice kernels")
    parser.add_argument("--memory", type=float, default=400, help="MB that poolkd may use")
    parser.add_argument("--log", type=pathlib.Path, default=None, help="keeps the whole conversation")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"soak: seed {seed}, {options.seconds:.0f} s", flush=True)
    home = pathlib.Path(tempfile.mkdtemp(prefix="poolkd-soak-", dir="/tmp"))
    environment = dict(os.environ, HOME=str(home), XDG_STATE_HOME=str(home / "state"), XDG_RUNTIME_DIR=str(home), XDG_CACHE_HOME=str(home / "cache"))
    for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH", "_NT_DEBUG_PORT"):
        environment.pop(name, None)
    if options.images:
        environment["POOLKD_LAB_IMAGES"] = str(options.images)
    log_path = options.log or home / "session.log"
    end = time.monotonic() + options.seconds
    number = commands = 0
    try:
        with open(log_path, "w", buffering=1, errors="replace") as log:
            while (left := end - time.monotonic()) > 5 or number == 0:
                draw = random.Random(f"{seed}/{number}")
                machine = draw.choice(machines(options.images or pathlib.Path("/nonexistent")))
                this = Round(draw, home, environment, options, log)
                this.play(min(max(options.seconds / 8, 25), 300, left - 3), machine)
                number += 1
                commands += this.commands
                print(f"soak: {' '.join(machine)}: {this.commands} commands, at most {this.largest:.0f} MB", flush=True)
    except (Failed, subprocess.TimeoutExpired, OSError) as failure:
        kept = pathlib.Path(tempfile.gettempdir()) / f"poolkd-soak-{seed}.log"
        shutil.copy(log_path, kept)
        tail = log_path.read_text(errors="replace")[-4000:]
        print(f"{tail}\nsoak: FAILED in round {number} of seed {seed}: {failure}\nsoak: the conversation is in {kept}", flush=True)
        return 1
    finally:
        subprocess.run([POOLKD, "lab", "stop", "--all"], env=environment, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
    print(f"soak: {commands} commands on {number} machines; no crash, no hang, nothing left in a target")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
