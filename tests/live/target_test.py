"""Targets with a twist: other boot options, missing and wrong symbols, modules that go."""

import pathlib
import re
import shutil
import unittest

from lab import LiveTest


class Target(LiveTest):
    arch = "x64"

    def check_page(self, debugger):
        self.assertRegex(debugger.type("!poolused 4"), r"Abc +0 +0 +36405 +33930272\n +Tron +0 +0 +552 +7863232")

    def test_tags_in_the_expansion_table(self):
        self.start_lab("page", "--boot", "tracker=8", "--seed", "2")
        debugger = self.debug()
        self.assertNotEqual(debugger.value("poi(nt!PoolTrackTableExpansionSize)"), 0)
        self.check_page(debugger)
        debugger.quit()

    def test_images_in_a_folder_with_a_blank(self):
        images = pathlib.Path(self.start_lab("idle", name="other")["images"])
        self.poolkd("lab", "stop", "other")
        root = self.home / "practice kernels, all"
        shutil.copytree(images, root.joinpath(*images.parts[-3:]))  # x64/era10/seed0
        self.environment["POOLKD_LAB_IMAGES"] = str(root)
        self.assertIn(str(root), self.start_lab("page")["images"])
        debugger = self.debug()
        self.check_page(debugger)
        debugger.quit()

    def test_a_target_without_getcontextex(self):
        self.start_lab("page", "--boot", "kdnoex=on")
        debugger = self.debug()
        debugger.type("ed nt!poolhittag ' cbA'")
        for _ in range(3):
            self.assertIn("Break instruction exception", debugger.type("g"))
            self.assertIn("leaky!LeakyServeRequests", debugger.type("kb"))
        debugger.quit()

    def test_noise_before_the_first_packet(self):
        for pipe in ("virtio", "com1"):
            with self.subTest(pipe=pipe):
                self.start_lab("page", "--boot", "noise=on", "--pipe", pipe)
                debugger = self.debug()
                self.check_page(debugger)
                debugger.quit()
                self.poolkd("lab", "stop", "live")

    def test_a_driver_comes_and_goes(self):
        self.start_lab("page", "--boot", "late=on", "--kaslr")
        debugger = self.debug("-v")
        debugger.type("bu late!DriverEntry")
        self.assertIn("Breakpoint 0 hit\nlate!DriverEntry", debugger.type("g"))
        self.assertRegex(debugger.type("k"), r"late!DriverEntry\n.*nt!")
        base = debugger.value("late")
        entry = debugger.value("@$ip")
        debugger.type("bc *")
        left = lambda: "late.sys" in [module["name"] for module in debugger.json("lm")["unloaded"]]
        self.assertIn("Unload:", debugger.go_until(lambda _: left(), "the driver goes"))
        listing = debugger.json("lm")
        self.assertNotIn("late", [m["name"] for m in listing["modules"]])
        gone = [m for m in listing["unloaded"] if m["name"] == "late.sys"]
        self.assertEqual(len(gone), 1, listing["unloaded"])
        width = 8 * debugger.value("@$ptrsize")  # JSON has 32-bit addresses sign-extended
        self.assertEqual(int(gone[0]["start"], 16) % (1 << width), base)
        self.assertIn(f"<Unloaded_late.sys>+{entry - base:#x}", debugger.type(f"ln {entry:x}"))
        debugger.quit()

    def test_absent_pages_are_told(self):
        self.start_lab("page", "--boot", "trim=on")
        debugger = self.debug()
        debugger.type("bp nt!MmTrimPagedPool 0n10; g; bc *")  # nine times pages have left
        found = debugger.json("!poolfind Abc 1 -total")
        self.assertGreater(found["absent_pages"], 0)
        row = debugger.json("!poolused 0 Abc")["tags"][0]["paged"]
        if self.arch == "x64":  # where the first pages that leave hold blocks of this tag
            self.assertLess(found["tags"][0]["blocks"], row["outstanding"])
        self.assertEqual(found["tags"][0]["counted_blocks"], row["outstanding"])
        self.assertIn("not present", debugger.type("!poolfind Abc 1 -total"))
        debugger.quit()

    def without_symbols(self, *options):
        machine = self.start_lab("page")
        # Connected to its socket, poolkd knows nothing of the machine's folder of symbols. The machine is booting and
        # stops by itself; a break-in would come too early.
        self.poolkd("-k", "lab:live", "-c", "q")
        from lab import Debugger
        return machine, Debugger(self, "-k", f"unix:{machine['kd_socket']}", *options)

    def test_no_symbols(self):
        _, debugger = self.without_symbols()
        self.assertRegex(debugger.type("!poolfind Abc 1 -total"), r"ntkrnlmp\.pdb")
        used = debugger.type("!poolused 4")  # by the shape that the table itself shows
        self.assertRegex(used, r"\ALayout inferred, not from symbols")
        self.assertRegex(used, r"(?m)^ Abc +0 +0 +36405 +33930272$")
        self.assertIn("leaky", debugger.type("lm1m"))  # the list is read by the layout that x64 kernels share
        self.assertIn("export symbols", debugger.type("ld nt; lm m nt"))
        self.assertIn("nt!", debugger.type("k"))
        self.assertRegex(debugger.type("x nt!ExAllocatePoolWithTag"), r"nt!ExAllocatePoolWithTag")
        self.assertRegex(debugger.type("dt nt!_POOL_HEADER"), r"not found|no types")
        debugger.quit()

    def test_a_pdb_of_another_build(self):
        wrong = self.home / "wrong"
        wrong.mkdir()
        images = pathlib.Path(self.start_lab("idle", name="other")["images"])
        self.poolkd("lab", "stop", "other")
        shutil.copy(images.parent / "seed2" / "ntkrnlmp.pdb", wrong / "ntkrnlmp.pdb")
        _, debugger = self.without_symbols("-y", str(wrong))
        answer = debugger.type("!poolfind Abc 1 -total")
        self.assertRegex(answer, r"(?i)does not (match|belong)|mismatch|other")
        self.assertRegex(answer, r"[0-9A-F]{32}")
        debugger.quit()


class TargetX86(Target):
    arch = "x86"


if __name__ == "__main__":
    unittest.main()
