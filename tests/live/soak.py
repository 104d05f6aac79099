"""A random session against practice machines: valid and broken commands, runs, steps, breakpoints, writes, Ctrl-C at any
moment, a line that breaks, a debugger that is killed, a target that is reset.

    soak.py [--seconds N] [--seed N] [--log FILE]

What must hold: poolkd never ends by itself and never hangs, its memory stays bounded, and after `qd` or the end of its input
the target runs and keeps no trace of it. The seed is printed; the same seed draws the same commands. (What they meet still
depends on time: a machine runs.)
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

from breaking_link import BreakingLink
from random_commands import Drawn, RandomCommands
from traces import traces
from watched_debugger import POOLKD, Failed, WatchedDebugger

IMAGES = pathlib.Path(os.environ.get("POOLKD_LAB_IMAGES") or pathlib.Path(POOLKD).parent.parent / "lab")
HEAP_LIMIT = 400  # MB
GROWTH_LIMIT = 48  # MB, of what poolkd keeps between its peaks
PAGE_MODULES = 7  # of the scenario: the kernel and six drivers
GOOD_SCRIPT = "$$ ${$arg1} ${$arg2}\n.echo ${$arg1}\n? ${$arg1}+1\n.if (@$t0) {\n  k 2\n} .else {\n  r $t0=1\n}\n"
BROKEN_SCRIPT = ".if (1) {\n? 1+\n}}\n.for (;;) {\n\x00\xff\n" + "r;" * 3000 + "\n$><broken.txt\n"


class Memory:
    """The heap of one debugger over its life."""

    def __init__(self):
        self.samples = []

    def add(self, megabytes):
        self.samples.append(megabytes)
        if megabytes > HEAP_LIMIT:
            raise Failed(f"poolkd's heap has {megabytes:.0f} MB")
        if self.growth() > GROWTH_LIMIT:
            raise Failed(f"poolkd's heap grows: {' '.join(f'{sample:.0f}' for sample in self.samples)} MB")

    def growth(self):
        """The lowest points of the second half, against those of the first: what one command takes and gives back is not
        seen, nor what the first commands load."""
        warm = self.samples[4:]
        half = len(warm) // 2
        return min(warm[half:]) - min(warm[:half]) if half >= 4 else 0.0


class Machine:
    """A practice machine, and the debuggers that come and go."""

    def __init__(self, draw, home, environment, log, options):
        self.draw, self.home, self.environment, self.log = draw, home, environment, log
        self.log.write(f"== poolkd lab start {' '.join(options)}\n")
        self.machine = json.loads(self.lab("start", "--json", "--name", "soak", *options))
        self.port = home / "line.sock"
        self.port.unlink(missing_ok=True)
        self.link = BreakingLink(str(self.port), self.machine["kd_socket"], draw.choice([0, 0, 20000]), draw.random())
        self.processors = 2 if "--processors" in options else 1
        self.commands = self.sessions = 0
        self.heap = self.growth = 0.0
        self.modules = None  # not known, or where a restart may have put them elsewhere
        self.to_be_undone = False
        self.debugger = self.random_commands = None

    def stop(self):
        if self.debugger:
            self.debugger.kill()
        self.link.close()
        subprocess.run([POOLKD, "lab", "stop", "soak"], env=self.environment, capture_output=True)

    def play(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.connect()
            while time.monotonic() < end and self.draw.random() > 0.004:
                self.step()
            self.leave(self.draw.choice(["qd", "", "q", "SIGKILL"]) if time.monotonic() < end else self.draw.choice(["qd", ""]))

    def lab(self, *arguments):
        result = subprocess.run([POOLKD, "lab", *arguments], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if result.returncode != 0:
            raise Failed(f"poolkd lab {arguments}: {result.stdout}{result.stderr}")
        return result.stdout

    def connect(self):
        options = self.draw.choice([[], [], ["--json"], ["-v"], ["--quiet"]])
        self.log.write(f"== poolkd {' '.join(options)}\n")
        self.debugger = WatchedDebugger(self.environment, self.log, "-k", f"com:pipe,port={self.port},reconnect", "-y", self.machine["images"], *options)
        self.debugger.ask("", 60)
        self.memory = Memory()
        self.sessions += 1
        if not self.random_commands:
            commands = self.json_answer(".help --json")["commands"]
            if len(commands) < 60:
                raise Failed(f"the list of commands looks wrong: {commands}")
            self.random_commands = RandomCommands(self.draw, commands)
            self.find_modules()

    def step(self):
        draw = self.draw
        drawn = self.random_commands.next()
        patience = draw.choice([0.05, 0.3, 1.0]) if drawn.runs else 6.0
        if draw.random() < 0.08:
            patience = draw.random() * 0.05  # Ctrl-C at any moment
        lot = draw.random()
        if drawn.runs and self.to_be_undone:
            self.undo_all()
        if drawn.runs and self.step_would_kill(drawn.text):
            drawn = Drawn("g /for 0.2", runs=True)
        if lot < 0.003:
            self.log.write("-- the machine is reset\n")
            self.lab("restart", "soak")
            self.modules = None
        elif lot < 0.012:
            self.log.write("-- the line breaks\n")
            self.link.cut()
        self.to_be_undone |= drawn.to_be_undone
        self.debugger.send(drawn.text)
        if 0.012 < lot < 0.02:
            time.sleep(lot)
            self.log.write("-- the line breaks meanwhile\n")
            self.link.cut()
        elif 0.02 < lot < 0.024:
            time.sleep(draw.random() * 0.2)
            self.leave("SIGKILL")
            self.connect()
            return
        answer = self.debugger.answer(patience)
        if "target was restarted" in answer or '"restarted":true' in answer:
            self.modules = None
        self.commands += 1
        if self.commands % 20 == 0:
            self.heap = max(self.heap, self.debugger.heap_mb())
            self.memory.add(self.debugger.heap_mb())

    def step_would_kill(self, command):
        """Whether it would hold the target in its own half of the debugger, by a breakpoint or with the lock that the other
        processor waits for."""
        # A step over plants a breakpoint where it ends.
        if command.startswith("p") and re.search("nt!mem(set|cpy|move)", self.debugger.ask("ln @$ip")):
            return True
        return self.processors > 1 and "nt!KeFreezeExecution" in self.debugger.ask("~* k 1")

    def leave(self, how):
        """Ends the session; where the target is to be as if nobody had been there, looks whether it is."""
        self.growth = max(self.growth, self.memory.growth())
        if how == "SIGKILL":
            self.log.write("-- the debugger is killed\n")
            self.debugger.kill()
        elif how == "q":
            # Not with changes that the target may not run with: what it does then is up to the user.
            self.undo_all()
            said = self.debugger.leave("q")
            if "frozen" not in said and "runs on" not in said:
                raise Failed(f"q does not tell in which state the target stays: {said}")
        else:
            if not self.modules:
                self.find_modules()
            said = self.debugger.leave(how)
            if " stays: " in said:  # a call site whose blocks are still to be freed under the tag that it has now
                self.connect()
                self.undo_all()
                self.debugger.leave("qd")
            self.log.write(f"-- {time.strftime('%H:%M:%S')} poolkd has ended; the target is looked at\n")
            self.to_be_undone = False
            if found := traces(self.machine, *self.modules):
                raise Failed(f"after {how or 'the end of the input'}: " + "; ".join(found[:5]))
            self.log.write(f"-- {time.strftime('%H:%M:%S')} it keeps no trace\n")
        self.debugger = None

    def stand_still(self):
        """Brings the target, and poolkd's view of it, to a stop."""
        for _ in range(8):
            answer = self.debugger.ask("r @$ip")
            if "$ip=" in answer:
                return
            if "it is running" in answer:
                self.debugger.ask("g", 0.2)  # waits for it; Ctrl-C breaks in
        raise Failed(f"the target cannot be stopped any more: {answer}")

    def undo_all(self):
        for _ in range(6):  # the line may be lost meanwhile
            self.stand_still()
            answer = self.debugger.ask(".undo /f *", 60) + self.debugger.ask(".writes --json")
            listed = re.search(r'^\{"command":"\.writes","writes".*', answer, re.MULTILINE)
            if listed and all(write["undone"] for write in json.loads(listed[0])["writes"]):
                self.to_be_undone = False
                return
        raise Failed(f"writes cannot be undone: {answer}")

    def find_modules(self):
        """Where the images lie, once all are loaded: until then the target waits for its debugger at each."""
        self.stand_still()
        self.debugger.ask("bc *;n 16;ad *;ed nt!PoolHitTag 0")
        images = pathlib.Path(self.machine["images"])
        for _ in range(30):
            self.debugger.ask("g /for 0.3;.reload")
            modules = [(m["name"], int(m["base"], 16), m["image"]) for m in self.json_answer("lm --json")["modules"]]
            # The kernel and the drivers of the scenario; a line that breaks may leave names out.
            if len(modules) == PAGE_MODULES and all((images / file).exists() for _, _, file in modules):
                break
        else:
            raise Failed(f"the modules do not come: {modules}")
        symbols = self.json_answer("x nt!PoolHitTag --json")["symbols"]
        self.modules = modules, int(symbols[0]["address"], 16)

    def json_answer(self, command):
        """What a command must be able to answer; a line that breaks or is damaged may take a second try."""
        for _ in range(3):
            self.stand_still()
            answer = self.debugger.ask(command, 60)
            for line in answer.splitlines():
                if line.startswith("{") and "error" not in json.loads(line):
                    return json.loads(line)
        raise Failed(f"{command}: {answer}")


def machine_options(draw, number):
    """Of the number-th machine: 64 and 32 bits by turns, the rest drawn among the kernels that were built."""
    arch = ["x64", "x86"][number % 2]
    era, seed = draw.choice(sorted((path.parent.name, path.name) for path in IMAGES.glob(f"{arch}/era*/seed*")))
    options = ["page", "--arch", arch, "--era", era.removeprefix("era"), "--seed", seed.removeprefix("seed"), "--pipe", draw.choice(["virtio", "com1"])]
    if arch == "x64" and number % 4 == 0:
        options += ["--processors", "2"]
    if draw.random() < 0.5:
        options.append("--kaslr")
    return options


def prepare(home):
    """The environment of everything that is started: a home of its own."""
    (home / "good.txt").write_text(GOOD_SCRIPT)
    (home / "broken.txt").write_bytes(BROKEN_SCRIPT.encode("latin-1"))
    environment = dict(os.environ, HOME=str(home), XDG_STATE_HOME=str(home / "state"), XDG_RUNTIME_DIR=str(home), XDG_CACHE_HOME=str(home / "cache"))
    for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH", "_NT_DEBUG_PORT"):
        environment.pop(name, None)
    return environment


def soak(seconds, seed, log_path=None):
    """True: nothing was found."""
    print(f"soak: {seconds:.0f} s, seed {seed}", flush=True)
    home = pathlib.Path(tempfile.mkdtemp(prefix="poolkd-soak-", dir="/tmp"))
    environment = prepare(home)
    log_path = log_path or home / "session.log"
    end = time.monotonic() + seconds
    number = commands = 0
    try:
        with open(log_path, "w", buffering=1, errors="backslashreplace") as log:
            while number == 0 or end - time.monotonic() > 5:
                draw = random.Random(f"{seed}/{number}")
                options = machine_options(draw, number)
                machine = Machine(draw, home, environment, log, options)
                try:
                    machine.play(min(max(seconds / 8, 25), 300, max(5, end - time.monotonic())))
                finally:
                    machine.stop()
                print(f"soak: {' '.join(options)}: {machine.commands} commands in {machine.sessions} sessions, heap at most {machine.heap:.0f} MB, "
                      f"growth {machine.growth:.1f} MB", flush=True)
                number += 1
                commands += machine.commands
    except Exception as failure:  # whatever it is, the conversation tells how it came
        kept = pathlib.Path(tempfile.gettempdir()) / f"poolkd-soak-{seed}.log"
        shutil.copy(log_path, kept)
        if not isinstance(failure, Failed):
            traceback.print_exc()
        print(f"{log_path.read_text(errors='replace')[-3000:]}\nsoak: FAILED on machine {number} of seed {seed}, {' '.join(options)}: {failure}\n"
              f"soak: the conversation is in {kept}", flush=True)
        return False
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"soak: {commands} commands on {number} machines; no crash, no hang, no leak, no trace in a target", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description="A random session against practice machines.")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--log", type=pathlib.Path, help="keeps the whole conversation")
    options = parser.parse_args()
    return 0 if soak(options.seconds, options.seed, options.log) else 1


if __name__ == "__main__":
    sys.exit(main())
