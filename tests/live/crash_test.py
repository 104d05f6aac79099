"""Bug checks about pool, live and in small memory dumps: what .bugcheck and !analyze make of them."""

import pathlib
import sys
import unittest

import lab
import triage_dump

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "lab"))
import count_blocks  # noqa: E402

MEMORY_MIB = 64


class Crash(lab.LiveTest):
    def crash(self, change):
        """A machine that crashes when leaky.sys frees a block, after `change`, and a session on it."""
        machine = self.start_lab("--memory", str(MEMORY_MIB), "--seed", "0")
        session = self.debug()
        session.type("bp leaky!LeakyRetireEvent; g; bc *")
        session.type(change)
        self.assertIn("Fatal System Error", session.type("g"))
        return machine, session

    def check(self, session, code, subcode, what, of="leaky.sys"):
        answer = session.json("!analyze")
        self.assertEqual(int(answer["bug_check"]["code"], 16), code)
        self.assertEqual(int(answer["bug_check"]["parameters"][0], 16), subcode)
        self.assertIn(what, answer["what"])
        if of:
            self.assertEqual(answer["culprit"]["image"], of)
        text = session.type(".bugcheck")
        self.assertRegex(text, rf"\ABugcheck code {code:08X}\nArguments [0-9a-f`]*{subcode:x} ")
        return answer


class CrashOfX64(Crash):
    arch = "x64"

    def test_wrong_tag(self):
        _, session = self.crash("ed @rcx-c 44434241")
        answer = self.check(session, 0xC2, 0xA, "freed under another tag")
        self.assertTrue(answer["evidence_agrees"])
        self.assertEqual(answer["findings"][0], "The block was allocated as 'ABCD' and freed as 'Abc '.")
        session.quit("q")

    def test_damaged_header(self):
        _, session = self.crash("eb @rcx-e ff")
        answer = self.check(session, 0x19, 0x20, "contradicts its neighbour", of=None)
        self.assertTrue(answer["evidence_agrees"])
        self.assertIn("broken", answer["pool"])
        session.quit("q")

    def test_small_dump(self):
        machine, session = self.crash("eb @rcx-d 0")
        live = self.check(session, 0xC2, 7, "freed that is free already")
        self.assertTrue(live["evidence_agrees"])
        self.assertEqual(live["pool"]["block"]["allocated"], False)
        self.assertEqual(live["tag"], "Abc ")
        self.assertIn({"image": "leaky.sys", "proven": True}, [{key: owner[key] for key in ("image", "proven")} for owner in live["owners"]])
        self.assertIn("Rather sure", live["how_sure"])
        expected = session.type(".bugcheck")
        stack = [frame["site"] for frame in session.json("k")["frames"]]
        modules = session.json("lm")["modules"]
        raw = self.home / "memory.raw"
        monitor = lab.Monitor.of(machine)
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(raw))
        monitor.close()
        session.quit("q")

        pdb = count_blocks.Pdb(str(pathlib.Path(machine["images"]) / "ntkrnlmp.pdb"))
        memory = count_blocks.Memory(str(raw), None, pdb)
        self.addCleanup(memory.file.close)
        base = memory.find_image("ntkrnlmp.pdb")
        in_use = [1234 << 10, 5678 << 10]  # bytes of nonpaged and of paged pool
        gone = [("gone.sys", 0xFFFFF80120000000, 0xFFFFF80120010000)]
        bare, with_images = self.home / "bare.dmp", self.home / "images.dmp"
        listed = triage_dump.write(bare, memory, pdb, base, in_use, gone)
        triage_dump.write(with_images, memory, pdb, base, in_use, gone, [name for name, *_ in listed])

        for dump in (bare, with_images):
            with self.subTest(dump=dump.name):
                small = lab.Debugger(self, "-z", str(dump), "-y", machine["images"])
                self.assertIn("triage dump", small.banner)
                self.assertIn("Kernel Version 19041 UP Free x64", small.type("vertarget"))
                self.assertEqual([module["base"] for module in small.json("lm")["modules"]], [module["base"] for module in modules])
                self.assertIn("gone.sys", small.type("lm"))
                self.assertEqual(small.type(".bugcheck"), expected)
                self.assertIn("rsp=", small.type("r"))
                for command in ("!poolused", "!poolused 4", "!poolfind Abc 1", "!pool @rsp"):
                    answer = small.type(command)
                    self.assertIn("not in this dump", answer, command)
                    self.assertNotIn("TOTAL", answer, command)
                    self.assertIn(f"{in_use[1] // 1024} KB of paged pool", answer, command)
                answer = small.json("!analyze")
                self.assertEqual(answer["what"], live["what"])
                self.assertIn("small memory dump", answer["missing"][-1] if dump == bare else answer["missing"][0])
                frames = [frame["site"] for frame in small.json("k")["frames"]]
                # The dump's registers are those of KeBugCheckEx, which called what the debugger sees live. What a bare dump
                # lacks of the drivers is in their files, beside the symbols.
                self.assertEqual(frames[1:], stack[stack.index(frames[1]):])
                self.assertEqual(answer["culprit"], live["culprit"])
                small.quit()

        # With neither their files nor symbols there is the header, and the words of the stack.
        nothing = self.home / "nothing"
        nothing.mkdir()
        small = lab.Debugger(self, "-z", str(bare), "-y", str(nothing))
        self.assertEqual(small.type(".bugcheck"), expected)
        self.assertGreaterEqual(len(small.json("k")["frames"]), 1)
        self.assertEqual(small.json("!analyze")["what"], live["what"])
        self.assertNotIn("cannot be read", small.type("kd 4"))
        small.quit()


class CrashOfX86(Crash):
    arch = "x86"

    def test_in_no_pool(self):
        _, session = self.crash("ed @esp+4 1230")
        answer = self.check(session, 0xC2, 0x42, "lies in no pool")
        self.assertIn("00001230 lies outside of nonpaged and paged pool (special and session pool lie elsewhere).",
                      answer["findings"])
        session.quit("q")


if __name__ == "__main__":
    unittest.main()
