"""Pool by tag of a machine whose kernel's symbols nobody has: inferred from the tables, the same as with symbols."""

import unittest

import lab
from images_test import MEMORY_MIB

ROW_BYTES = {("x64", 7): 40, ("x64", 10): 56, ("x64", 11): 80, ("x86", 7): 28, ("x86", 10): 48}


class NoSymbols(lab.LiveTest):
    def saved(self, *options):
        """Raw memory of a machine that has worked for a while, and what its symbols say of the pool."""
        machine = self.start_lab("--memory", str(MEMORY_MIB), *options)
        live = self.debug()
        live.type("bp leaky!LeakyAllocateBuffer; g")
        expected = live.json("!poolused 1")
        self.assertNotIn("inferred", expected)
        self.assertNotIn("inferred", live.type("!poolused"))
        raw = self.home / "memory.raw"
        monitor = lab.Monitor.of(machine)
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(raw))
        monitor.close()
        live.quit("qd")
        self.poolkd("lab", "stop", "--all")
        return raw, expected

    def check(self, arch, era, *options):
        raw, expected = self.saved("--arch", arch, "--era", str(era), "--seed", "0", *options)
        session = lab.Debugger(self, "-z", str(raw), "-y", str(self.home))
        self.assertEqual(session.type("x nt!PoolTrackTable"), "")  # nobody has them
        answer = session.json("!poolused 1")
        self.assertRegex(answer.pop("inferred"), rf"\ALayout inferred, not from symbols: rows of {ROW_BYTES[arch, era]} bytes, ")
        for answers in (answer, expected):
            answers["tags"].sort(key=lambda tag: tag["value"])
        self.assertEqual(answer, expected)
        self.assertGreater(len(answer["tags"]), 10)
        self.assertRegex(session.type("!poolused 4"), r"\ALayout inferred, not from symbols: ")
        self.assertEqual(session.quit()[0], 0)

    def test_x64_of_7(self):
        self.check("x64", 7)

    def test_x64_of_10_with_two_processors(self):
        self.check("x64", 10, "--processors", "2")

    def test_x64_of_11(self):
        self.check("x64", 11)

    def test_x86_of_7(self):
        self.check("x86", 7)

    def test_x86_of_10(self):
        self.check("x86", 10)


if __name__ == "__main__":
    unittest.main()
