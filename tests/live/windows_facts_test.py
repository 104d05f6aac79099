"""What differs between releases of Windows, and on ReactOS, where the practice kernel can be told to be so. Each line of
docs/windows.md names its proof; layouts of the eras are in eras_test.py."""

import re
import unittest

from lab import LiveTest, at_first_break

MACHINES = ("x64", "x86")


class WindowsFacts(LiveTest):
    def on_each_machine(self, check, *boot_words, scenario="leak"):
        for arch in MACHINES:
            for words in boot_words:
                with self.subTest(arch=arch, words=words):
                    self.start_lab(scenario, "--arch", arch, "--kaslr", "--boot", words)
                    try:
                        check(at_first_break(self.debug()), arch, words)
                    finally:
                        self.poolkd("lab", "stop", "live")

    def check_leak(self, debugger):
        row = debugger.json("!poolused 4")["tags"][0]
        self.assertEqual((row["tag"], row["paged"]["outstanding"], row["paged"]["bytes"]), ("Abc ", 200, 150016))

    def test_a_target_like_reactos(self):
        """Every way to use the target that poolkd has, where a request too many would restart the machine or let it go."""
        def check(debugger, arch, words):
            ip = {"x64": "rip", "x86": "eip"}[arch]
            ax = {"x64": "rax", "x86": "eax"}[arch]
            self.check_leak(debugger)
            self.assertEqual({module["name"] for module in debugger.json("lm")["modules"]}, {"nt", "leaky"})
            started = debugger.value("poi(leaky!LeakyAllocations)")
            debugger.type("bp leaky!LeakyBuildReport; bp leaky!LeakyQueueEvent; bp leaky!LeakyOpenStream")
            self.assertIn("Breakpoint", debugger.type("g"))
            self.assertIn("leaky!LeakyServeRequests", debugger.type("k"))
            entry = debugger.value("@" + ip)
            before = debugger.value("@" + ax)
            debugger.type(f"r {ax}=1234")
            self.assertEqual(debugger.value("@" + ax), 0x1234)
            debugger.type(f"r {ax}={before:x}")
            debugger.type("t; p; pt")
            self.assertNotEqual(debugger.value("@" + ip), entry)
            debugger.type("bc *; ba w4 leaky!LeakyFrees")
            self.assertIn("Breakpoint 0 hit", debugger.type("g"))
            debugger.type("bc *; ed nt!PoolHitTag ' cbA'")
            self.assertIn("Break instruction exception", debugger.type("g"))
            self.assertIn("leaky!", debugger.type("kb"))
            self.assertIn("20636241", debugger.type("s -d nt!PoolHitTag L1 20636241"))
            debugger.type("eb nt!NtBuildLab+20 0; f nt!NtBuildLab+20 L4 0")
            self.assertIn("cr3=", debugger.type("r cr3"))
            debugger.type(".undo *; ~0s; .time; !poolfind Abc 1 -total; !gflag")
            # The same boot throughout: a restart would have begun to count anew.
            self.assertGreater(debugger.value("poi(leaky!LeakyAllocations)"), started)
            self.assertEqual(debugger.quit("qd")[0], 0)

        self.on_each_machine(check, "kdlike=reactos")

    def test_forms_of_the_debugger_data_block(self):
        """One field of the block is made to tell what no symbol tells: where the name of the build stands."""
        def encoded(debugger, word):
            never, always = (debugger.value(f"poi(nt!{name})") for name in ("KiWaitNever", "KiWaitAlways"))
            word = int.from_bytes((word ^ always).to_bytes(8, "little"), "big") ^ debugger.value("nt!KdpDataBlockEncoded")
            count = never & 0x3F
            return ((word >> count | word << 64 - count) & 2**64 - 1) ^ never

        def check(debugger, arch, words):
            self.check_leak(debugger)
            self.assertIn("Built by: 19041.1.", debugger.type("vertarget"))
            text = debugger.value("nt!KdPrintDefaultCircularBuffer") + 0x100
            if words == "kdlike=reactos" and arch == "x86":
                text &= 0xFFFFFFFF
            word = encoded(debugger, text) if words == "kdbg=encoded" and arch == "x64" else text
            debugger.type(f'eza {text:x} "told by KDBG"; eq nt!KdDebuggerDataBlock+208 {word:x}; .reload')
            told = re.search("Built by: (.*)", debugger.type("vertarget"))[1]
            (self.assertNotEqual if words == "kdbg=absent" else self.assertEqual)(told, "told by KDBG")
            debugger.type(".undo *")
            debugger.quit()

        self.on_each_machine(check, "kdbg=plain", "kdbg=encoded", "kdbg=short", "kdbg=absent", "kdlike=reactos")

    def test_big_pages_with_pool_flags(self):
        def check(debugger, arch, words):
            paged = debugger.json("!poolfind Tron BgSt 1 -large -total")["tags"]
            nonpaged = debugger.json("!poolfind Tron BgSt 0 -large -total")["tags"]
            self.assertEqual([tag["blocks"] for tag in paged], [540, 0], words)
            self.assertEqual([tag["blocks"] for tag in nonpaged][0], 0, words)
            self.assertGreater([tag["blocks"] for tag in nonpaged][1], 0, words)
            debugger.quit()

        self.on_each_machine(check, "bigtypes=flags", "bigtypes=types", scenario="page")

    def test_one_table_for_all_processors(self):
        def check(debugger, arch, words):
            tables = debugger.json("!poolused 4")["table_bytes"]
            row = debugger.json("dt nt!_POOL_TRACKER_TABLE")["size"]
            rows = debugger.value("poi(nt!PoolTrackTableSize)")
            self.assertGreaterEqual(tables, row * rows * (2 if words.endswith("on") else 1))
            self.assertLess(tables, row * rows * (3 if words.endswith("on") else 2))
            self.check_leak(debugger)
            debugger.quit()

        self.on_each_machine(check, "tagtables=off", "tagtables=on")


if __name__ == "__main__":
    unittest.main()
