"""The same questions over KD and through QEMU itself get the same answers."""

import os
import pathlib
import re
import struct
import subprocess
import sys
import unittest

from lab import GdbStub, LiveTest

COUNT_BLOCKS = pathlib.Path(__file__).resolve().parent.parent / "lab" / "count_blocks.py"


class Agreement(LiveTest):
    def test_memory_registers_and_modules(self):
        machine = self.start_lab("page", "--seed", "2", "--kaslr")
        debugger = self.debug()
        registers = {name: debugger.value("@" + name) for name in "rip rsp rbp rbx rsi rdi r12 r13 r14 r15".split()}
        base = debugger.value("nt")
        hit_tag = debugger.value("nt!PoolHitTag")
        debugger.type("ed nt!PoolHitTag 44434241")
        modules = debugger.json("lm")["modules"]
        stack_words = debugger.type("dq @rsp L10")
        gdb = GdbStub(machine["gdb_socket"])
        # The stub stops the machine inside the KD loop, a few calls below the stop: page tables and memory are the same.
        self.assertEqual(gdb.memory(base, 2), b"MZ")
        self.assertEqual(gdb.memory(hit_tag, 4), b"ABCD")
        for module in modules:
            self.assertEqual(gdb.memory(int(module["base"], 16), 2), b"MZ", module)
            header = gdb.memory(int(module["base"], 16), 0x400)
            pe = struct.unpack_from("<I", header, 0x3C)[0]
            self.assertEqual(struct.unpack_from("<I", header, pe + 0x50)[0], module["size"], module)
        words = [int(w.replace("`", ""), 16) for line in stack_words.splitlines() for w in line.split("  ", 1)[1].split()]
        self.assertEqual(struct.pack(f"<{len(words)}Q", *words), gdb.memory(registers["rsp"], 8 * len(words)))
        gdb.resume()
        debugger.quit()

    def test_a_pool_header(self):
        machine = self.start_lab("page", "--seed", "1")
        debugger = self.debug()
        found = debugger.json("!poolfind IoN7 1")
        block = next(b for b in found["blocks"] if b["allocated"] and not b["big"])
        line = next(row for row in debugger.json(f"!pool {block['body'][2:]}")["blocks"] if row["holds_address"])
        self.assertEqual((line["address"], line["size"], line["tag"]), (block["address"], block["size"], "IoN7"))
        fields = {m["name"]: m for m in debugger.json("dt nt!_POOL_HEADER")["members"]}
        gdb = GdbStub(machine["gdb_socket"])
        header = gdb.memory(int(block["address"], 16), 16)
        gdb.resume()
        self.assertEqual(header[fields["PoolTag"]["offset"]:][:4], b"IoN7")
        debugger.quit()

    def test_blocks_of_the_leaking_tag(self):
        machine = self.start_lab("page")
        debugger = self.debug()
        found = debugger.json("!poolfind Abc 1")
        self.assertTrue(found["coverage"]["complete"])
        self.assertEqual((found["tags"][0]["blocks"], found["tags"][0]["bytes"]), (36405, 33930272))
        live = [b for b in found["blocks"] if b["allocated"]]
        self.assertEqual((len(live), sum(b["size"] for b in live)), (36405, 33930272))
        self.assertEqual(len({b["address"] for b in live}), 36405)
        # An independent script counts the same in the machine's memory.
        counted = subprocess.run([sys.executable, "-B", str(COUNT_BLOCKS), machine["memory_file"], str(pathlib.Path(machine["images"]) / "ntkrnlmp.pdb"), "Abc "],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(counted.returncode, 0, counted.stdout)
        self.assertRegex(counted.stdout, r"36405\D+33930272")
        debugger.quit()

    def test_every_block_of_every_tag_is_found(self):
        """For each tag the walk over the blocks and the kernel's own counters agree."""
        self.start_lab("page", "--seed", "4")
        debugger = self.debug()
        counters = {row["tag"]: row for row in debugger.json("!poolused")["tags"]}
        for tag in ("Tron", "IoN7", "Gla5", "Ggb "):
            found = debugger.json(f'!poolfind "{tag}" -paged -nonpaged -total')["tags"][0]
            row = counters[tag]
            self.assertEqual(found["blocks"], row["paged"]["outstanding"] + row["nonpaged"]["outstanding"], tag)
            self.assertEqual(found["bytes"], row["paged"]["bytes"] + row["nonpaged"]["bytes"], tag)
        debugger.quit()


if __name__ == "__main__":
    unittest.main()
