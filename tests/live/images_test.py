"""Memory images of a stopped practice machine, as QEMU writes them, answer as the live machine does."""

import pathlib
import sys
import unittest

import lab

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
import count_blocks  # noqa: E402

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent.parent / "docs"))
import support_table  # noqa: E402

MEMORY_MIB = 64
ABC = 0x20636241
DOES_NOT_RUN = r"\AThe target \((64-bit ELF core|raw memory|raw memory, shared with a running machine)\) cannot run\n\Z"

# The same at every image, word by word.
COMMANDS = ("lm", "x nt!Pool*", "!poolused 4", "!poolused 2 Abc", "!poolfind Abc 1", "dd nt!PoolHitTag L4", "dt nt!_LIST_ENTRY nt!PsLoadedModuleList",
            "u nt!ExAllocatePoolWithTag L8", "? poi(nt!PsLoadedModuleList)", "k", "r", "!process 0 7", "!thread", "!sites Abc /m leaky")


def looks_at_others(session, image_base):
    """What a session shows of each process's memory and of each thread that waits."""
    shown = []
    for process in session.json("!process 0 6")["processes"]:
        session.type(f".process {process['address']}")
        shown.append((process["name"], session.type(f"da {image_base} L9"), session.type(f"!vtop 0 {image_base}")))
        for thread in process["threads"]:
            session.type(f".thread {thread['address']}")
            shown.append((thread["address"], session.type("k"), session.type("r"), session.type("? @$thread")))
            assert [frame["site"] for frame in session.json("k")["frames"]] == [frame["site"] for frame in thread["stack"]["frames"]]
    session.type(".process; .thread")
    return shown


def tested(containers, commands):
    """All of these were asked of all of those, and answered as by the live machine."""
    return support_table.table("command", containers, {f"`{command}`": dict.fromkeys(containers, "as live") for command in commands})


class Images:
    """The same for x64 and x86."""

    def test_every_image_answers_as_the_live_machine(self):
        machine = self.start_lab("--memory", str(MEMORY_MIB))
        ram = pathlib.Path(machine["memory_file"])
        live = self.debug()
        live.type("ed nt!PoolHitTag ' cbA'; g")
        expected = {command: live.type(command) for command in COMMANDS}
        self.assertIn("leaky", expected["lm"])
        self.assertRegex(expected["!poolused 4"], r"(?m)^ Abc ")
        others = looks_at_others(live, self.program_base)
        for name, memory, _ in [row for row in others if row[0] in ("smss.exe", "csrss.exe")]:
            self.assertIn(f'"{name}', memory)  # where the practice kernel writes a program's name
        self.assertRegex(expected["!process 0 7"], r"nt!KeDelayExecutionThread\+.*\n.*nt!ExpWorkerThread\+")
        self.assertEqual(live.type("r"), expected["r"])

        core, paged, raw = (self.home / name for name in ("core.elf", "paged.elf", "memory.raw"))
        monitor = lab.Monitor.of(machine)
        monitor.run("dump-guest-memory", paging=False, protocol=f"file:{core}")
        monitor.run("dump-guest-memory", paging=True, protocol=f"file:{paged}")
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(raw))
        monitor.close()
        answered = []
        for image in (core, paged, raw, ram):
            with self.subTest(image=image.name):
                session = lab.Debugger(self, "-z", str(image), "-y", machine["images"])
                for command in COMMANDS:
                    self.assertEqual(session.type(command), expected[command], f"{image.name}: {command}")
                if image != raw:  # which is the file of the machine once more
                    self.assertEqual(looks_at_others(session, self.program_base), others)
                self.assertRegex(session.type("g"), DOES_NOT_RUN)
                status, _ = session.quit()
                self.assertEqual(status, 1)  # of `g`
                answered.append({"core.elf": "ELF core", "paged.elf": "ELF core (-p)", "memory.raw": "raw memory"}.get(image.name, "shared RAM"))
        live.quit("qd")
        if len(answered) == 4:
            self.assertIsNone(support_table.difference(f"lab {self.arch}", tested(answered, COMMANDS)))

    def save(self, machine, name):
        """Raw memory of the machine."""
        monitor = lab.Monitor.of(machine)
        monitor.run("stop")
        raw = self.home / name
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(raw))
        monitor.run("cont")
        monitor.close()
        return raw


class ImagesOfX64(Images, lab.LiveTest):
    arch = "x64"
    program_base = "7ff6`00000000"

    def test_a_machine_that_runs(self):
        self.machine_that_ran()

    def machine_that_ran(self, *options):
        machine = self.start_lab("--memory", str(MEMORY_MIB), *options)
        live = self.debug()
        counter = live.value("leaky!LeakyReportBlocks")
        live.quit("qd")
        lab.wait_until_it_runs(machine, counter)
        raw = self.save(machine, "memory.raw")
        # An independent script counts in the same memory.
        pdb = count_blocks.Pdb(str(pathlib.Path(machine["images"]) / "ntkrnlmp.pdb"))
        memory = count_blocks.Memory(str(raw), None, pdb)
        self.addCleanup(memory.file.close)
        base = memory.find_image("ntkrnlmp.pdb")
        found, _ = count_blocks.live_blocks(memory, pdb, base)
        counted = count_blocks.tracker_sums(memory, pdb, base)[(ABC, "Paged")]

        session = lab.Debugger(self, "-z", str(raw), "-y", machine["images"])
        self.assertIn("leaky", session.type("lm1m"), session.banner)
        row = session.json("!poolused 0 Abc")["tags"][0]["paged"]
        self.assertEqual((row["outstanding"], row["bytes"]), counted)
        walk = session.json("!poolfind Abc 1 -total")["tags"][0]
        self.assertEqual(walk["blocks"], len(found[(ABC, "Paged")]))
        self.assertEqual(walk["counted_blocks"], row["outstanding"])
        self.assertEqual(session.quit()[0], 0)

    def test_two_processors(self):
        """In raw memory, and in the dump that QEMU writes for Windows. For that the kernel hands over a header, and QEMU puts
        the registers as they are into the records that the kernel keeps: those of the wait for the debugger, below which the
        frames of the code that was stopped are the same."""
        machine = self.start_lab("--memory", str(MEMORY_MIB), "--processors", "2")
        live = lab.at_first_break(self.debug())
        commands = ("~", "k", "1k", "r", "1r", "!poolused 2 Abc")
        expected = {command: live.type(command) for command in commands}
        self.assertRegex(expected["~"], r"(?m)^   1  ")
        raw = self.save(machine, "memory.raw")
        session = lab.Debugger(self, "-z", str(raw), "-y", machine["images"])
        for command in commands:
            self.assertEqual(session.type(command), expected[command], command)
        self.assertEqual(session.quit()[0], 0)

        live.type("ed nt!PoolHitTag ' cbA'; g")
        commands = [command for command in ("vertarget", *COMMANDS) if command not in ("k", "r", "!thread", "!process 0 7")]
        expected = {command: live.type(command) for command in commands}
        # A dump is looked at from processor 0, the live machine from the one that hit.
        current = next(row["processor"] for row in live.json("~")["processors"] if row["current"])
        stack = live.type("k").split("\n", 1)[1]
        path = self.home / "windows.dmp"
        monitor = lab.Monitor.of(machine)
        monitor.run("dump-guest-memory", paging=False, protocol=f"file:{path}", format="win-dmp")
        monitor.close()
        self.assertEqual(path.read_bytes()[:8], b"PAGEDU64")
        session = lab.Debugger(self, "-z", str(path), "-y", machine["images"])
        self.assertIn("64-bit complete dump\nThe kernel was found by the module list of the header.", session.banner)
        self.assertIn("BugCheck 161, {0, 0, 0, 0}", session.banner)
        for command in commands:
            self.assertEqual(session.type(command), expected[command], command)
        self.assertTrue(session.type(f"{current}k").endswith(stack), stack)
        self.assertEqual(session.quit()[0], 0)
        live.quit("qd")
        self.assertIsNone(support_table.difference("lab win-dmp", tested(["win-dmp"], commands)))


class ImagesOfX86(Images, lab.LiveTest):
    arch = "x86"
    program_base = "400000"


if __name__ == "__main__":
    unittest.main()
