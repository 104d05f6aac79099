"""Memory images of a stopped practice machine, as QEMU writes them, answer as the live machine does."""

import json
import pathlib
import socket
import unittest

import lab

MEMORY_MIB = 64

# The same at every image, word by word.
COMMANDS = ("lm", "x nt!Pool*", "!poolused 4", "!poolused 2 Abc", "!poolfind Abc 1", "dd nt!PoolHitTag L4", "dt nt!_LIST_ENTRY nt!PsLoadedModuleList",
            "u nt!ExAllocatePoolWithTag L8", "? poi(nt!PsLoadedModuleList)", "k", "r")


class Monitor:
    """QEMU's monitor (QMP)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(lab.ANSWER_LIMIT)
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

        core, paged, raw = (self.home / name for name in ("core.elf", "paged.elf", "memory.raw"))
        monitor = Monitor(str(ram.parent / "qmp.sock"))
        monitor.run("dump-guest-memory", paging=False, protocol=f"file:{core}")
        monitor.run("dump-guest-memory", paging=True, protocol=f"file:{paged}")
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(raw))
        monitor.close()
        for image in (core, paged, raw, ram):
            with self.subTest(image=image.name):
                session = lab.Debugger(self, "-z", str(image), "-y", machine["images"])
                for command in COMMANDS:
                    self.assertEqual(session.type(command), expected[command], f"{image.name}: {command}")
                self.assertIn("cannot", session.type("g"))  # an image does not run
                status, _ = session.quit()
                self.assertEqual(status, 1)  # of `g`
        live.quit("qd")


class ImagesOfX64(Images, lab.LiveTest):
    arch = "x64"


class ImagesOfX86(Images, lab.LiveTest):
    arch = "x86"


if __name__ == "__main__":
    unittest.main()
