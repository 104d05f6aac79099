"""`.dump /f`: what it writes is read by a reader of its own, and answers as the target did."""

import re
import signal
import unittest

import crash_dump
import lab
from images_test import MEMORY_MIB

COMMANDS = ("vertarget", "lm", "!poolused 4", "!poolused 2 Abc", "k", "r", "dd nt!PoolHitTag L4")


class DumpFile:
    """The same for x64 and x86."""

    def write(self, session, name, *words):
        path = self.home / name
        answer = session.type(" ".join((".dump /f", *words, str(path))))
        self.assertRegex(answer, rf"(?m)^Creating {re.escape(str(path))} - Full kernel dump, ")
        self.assertRegex(answer, r"(?m)^Dump successfully written: \d+ pages in \d+ runs?$")
        self.assertNotIn("Partial", answer)
        return path

    def save(self, monitor, name):
        """Raw memory of the machine, at one moment."""
        path = self.home / name
        monitor.run("stop")
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(path))
        monitor.run("cont")
        return path.read_bytes()

    def look_at(self, path, before, after):
        """The dump as others see it, how many of its bytes were compared to raw images, and which pages were not the same
        though they did not change from one image to the other."""
        dump = crash_dump.CrashDump(path)
        self.addCleanup(dump.close)
        self.assertEqual(dump["type"], crash_dump.FULL)
        self.assertEqual(dump["required_space"], path.stat().st_size)
        compared, differing = 0, []
        for address, data in dump.pieces():
            if address >= len(before):
                continue  # firmware
            for at in range(0, len(data), crash_dump.PAGE):
                page = slice(address + at, address + at + crash_dump.PAGE)
                if before[page] == after[page]:
                    compared += crash_dump.PAGE
                    if data[at:at + crash_dump.PAGE] != before[page]:
                        differing.append(hex(address + at))
        return dump, compared, differing

    def answers(self, path, machine):
        session = lab.Debugger(self, "-z", str(path), "-y", machine["images"])
        answers = {command: session.type(command) for command in COMMANDS}
        self.assertEqual(session.quit()[0], 0)
        return answers

    def refuses(self, session):
        """What is not written, and that nothing is written over without `/o`."""
        path = self.home / "there.dmp"
        path.write_text("something else")
        self.assertIn("exists already", session.type(f".dump /f {path}"))
        self.assertEqual(path.read_text(), "something else")
        self.assertIn("does not write small dumps", session.type(f".dump /m {path}"))
        self.assertIn("/f writes", session.type(f".dump {path}"))
        self.assertIn("Name the file", session.type(".dump /f"))
        self.assertIn("cannot be made", session.type(f".dump /f {self.home}/nowhere/x.dmp"))
        self.assertIn("no file that could be replaced", session.type(f".dump /f /o {self.home}"))
        answer = session.json(f".dump /f /o {path}")
        self.assertEqual((answer["bytes"], answer["coverage"]["bytes_missing"], answer["type"]), (path.stat().st_size, 0, 1))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual([p.name for p in self.home.glob("there.dmp*")], ["there.dmp"])

    def test_dumps_of_every_kind_of_target(self):
        machine = self.start_lab("--memory", str(MEMORY_MIB))
        live = self.debug()
        live.type("ed nt!PoolHitTag ' cbA'; g")
        live.type("ed nt!PoolHitTag 0")
        expected = {command: live.type(command) for command in COMMANDS}
        self.assertIn("leaky", expected["lm"])
        value = live.value
        facts = {"loaded_modules": value("nt!PsLoadedModuleList"), "processes": value("nt!PsActiveProcessHead"),
                 "pfn_database": value("poi(nt!MmPfnDatabase)"), "machine": {"x64": 0x8664, "x86": 0x14C}[self.arch],
                 "processors": 1, "bug_check": 0, "product_type": 1, "writer_status": 0}
        place = (value("$ip"), value("$csp"))

        monitor = lab.Monitor.of(machine)
        before = self.save(monitor, "before.raw")
        dumps = {"live": self.write(live, "live.dmp", '/c "of the link"')}
        core, raw = self.home / "core.elf", self.home / "memory.raw"
        monitor.run("stop")
        if self.arch == "x64":  # of x86 the link and raw memory will do
            monitor.run("dump-guest-memory", paging=False, protocol=f"file:{core}")
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(raw))
        monitor.run("cont")
        monitor.close()
        memory = raw.read_bytes()
        sources = [(raw, "raw")]
        if self.arch == "x64":
            sources += [(core, "core"), (dumps["live"], "dump")]
        for image, name in sources:
            session = lab.Debugger(self, "-z", str(image), "-y", machine["images"])
            dumps[name] = self.write(session, f"of-{name}.dmp")
            if name == "raw":
                self.refuses(session)
                session.quit()
            else:
                self.assertEqual(session.quit()[0], 0)

        for name, path in dumps.items():
            with self.subTest(of=name):
                of_link = name in ("live", "dump")
                dump, compared, differing = self.look_at(path, before if of_link else memory, memory)
                # While it answers, the kernel works on its stack and on the window through which it looks.
                self.assertLessEqual(len(differing), 8 if of_link else 0, differing)
                # The link gives what the kernel takes for memory, the images also what the firmware took of it.
                self.assertGreaterEqual(compared, len(memory) - ((2 if of_link else 1) << 20))
                self.assertEqual({field: dump[field] & ((1 << 8 * dump.pointer) - 1) for field in facts},
                                 {field: fact & ((1 << 8 * dump.pointer) - 1) for field, fact in facts.items()})
                self.assertEqual(dump.context(), tuple(v & ((1 << 8 * dump.pointer) - 1) for v in place))
                self.assertIsNotNone(dump["system_time"])
                self.assertGreater(dump["up_time"], 0)
                self.assertEqual(dump.comment, "of the link" if name == "live" else "")
                answers = self.answers(path, machine)
                for command in COMMANDS:
                    self.assertEqual(answers[command], expected[command], f"{name}: {command}")
        dump = crash_dump.CrashDump(dumps["live"])
        self.addCleanup(dump.close)
        self.assertEqual(dump["exception_code"], 0x80000003)
        live.quit("qd")

    def places(self, session):
        """ip and sp of each processor, as the session shows them; it stays at the one where it stands."""
        places = []
        for processor in range(self.processors):
            rows = session.type(f"{processor}r {self.ip}; {processor}r {self.sp}")
            places.append(tuple(int(value, 16) for value in re.findall(r"=([0-9a-f]+)", rows)))
        self.assertTrue(all(len(place) == 2 for place in places), places)
        return places

    def test_registers_of_all_processors(self):
        machine = self.start_lab("--memory", str(MEMORY_MIB), "--processors", str(self.processors))
        live = self.debug()
        expected = self.places(live)
        self.assertEqual(len(set(expected)), self.processors)
        dumps = {"live": (self.write(live, "live.dmp"), expected)}
        if self.processors > 1:
            live.type("~1s")
            dumps["live, of the other"] = self.write(live, "other.dmp"), expected
            self.assertEqual(self.places(live), expected)
        live.quit("qd")
        if self.arch == "x64":  # nothing stops it now: what its processors do, only the container tells
            monitor = lab.Monitor.of(machine)
            core = self.home / "core.elf"
            monitor.run("stop")
            monitor.run("dump-guest-memory", paging=False, protocol=f"file:{core}")
            monitor.close()
            session = lab.Debugger(self, "-z", str(core), "-y", machine["images"])
            places = self.places(session)
            dumps["core"] = self.write(session, "of-core.dmp"), places
            session.quit()
        for name, (path, places) in dumps.items():
            with self.subTest(of=name):
                dump = crash_dump.CrashDump(path)
                self.addCleanup(dump.close)
                self.assertEqual(dump["processors"], self.processors)
                self.assertEqual(dump.processor_contexts(), places)
                self.assertEqual(dump.context(), places[1 if "other" in name else 0])
                session = lab.Debugger(self, "-z", str(path), "-y", machine["images"])
                self.assertEqual(self.places(session), places)
                session.quit()


class DumpFileOfX64(DumpFile, lab.LiveTest):
    arch = "x64"
    ip, sp, processors = "rip", "rsp", 2

    def test_a_stop_leaves_no_file(self):
        """Over a serial line it takes a minute or so."""
        self.start_lab("--memory", str(MEMORY_MIB), "--pipe", "com1")
        live = self.debug()
        path = self.home / "stopped.dmp"
        live.begin(f".dump /f {path}")
        lab.wait_until(lambda: list(self.home.glob("stopped.dmp.tmp-*")), "the dump is begun", lab.ANSWER_LIMIT)
        live.process.send_signal(signal.SIGINT)
        self.assertIn("no dump was written", live.type(""))
        self.assertEqual(list(self.home.glob("stopped.dmp*")), [])
        live.quit("qd")


class DumpFileOfX86(DumpFile, lab.LiveTest):
    arch = "x86"
    ip, sp, processors = "eip", "esp", 1  # the practice kernel of x86 has one


if __name__ == "__main__":
    unittest.main()
