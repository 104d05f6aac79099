"""Memory images as evidence: what the kernel had counted when each was made, against what it says itself."""

import json
import pathlib
import unittest

import lab
from images_test import MEMORY_MIB


class ImagesAsEvidence(lab.LiveTest):
    def test_images_of_one_machine_some_time_apart(self):
        machine = self.start_lab("--memory", str(MEMORY_MIB))
        symbols = ("-y", machine["images"])
        live = self.debug()
        monitor = lab.Monitor.of(machine)
        counted = lambda: live.json("!poolused 1 Abc")["tags"][0]["paged"]

        def run_on(blocks):
            live.go_until(lambda _: counted()["outstanding"] > blocks, f"more than {blocks} blocks")
            return counted()

        first = run_on(100)
        core = self.home / "first.elf"
        monitor.run("dump-guest-memory", paging=False, protocol=f"file:{core}")
        second = run_on(first["outstanding"] + 100)
        raw = self.home / "second.raw"
        monitor.run("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(raw))
        third = run_on(second["outstanding"] + 100)
        log = self.home / "third.txt"
        log.write_text(live.type("!poolused 1"))
        live.quit("qd")
        monitor.close()

        answer = json.loads(self.poolkd("diff", *symbols, str(core), str(raw), "--json").stdout)
        row = next(row for row in answer["rows"] if (row["tag"], row["type"]) == ("Abc ", "Paged"))
        self.assertEqual(row["before"], {"blocks": first["outstanding"], "bytes": first["bytes"]})
        self.assertEqual(row["after"], {"blocks": second["outstanding"], "bytes": second["bytes"]})
        self.assertEqual((row["allocs"], row["frees"]),
                         (second["allocs"] - first["allocs"], second["frees"] - first["frees"]))
        self.assertFalse(answer["restarted"] or answer["turned"], answer)
        self.assertEqual((answer["before"]["evidence"], answer["after"]["evidence"]), ("first.elf", "second.raw"))
        self.assertLess(answer["before"]["time"], answer["after"]["time"])
        self.assertTrue(answer["coverage"]["complete"], answer["coverage"])

        # With evidence of another kind, and not in order.
        report = json.loads(self.poolkd("verdict", *symbols, str(log), str(raw), str(core), "--json", "--all").stdout)
        self.assertEqual((report["snapshots"], sorted(report["evidence"])), (3, ["first.elf", "second.raw", "third.txt"]))
        row = next(row for row in report["rows"] if (row["tag"], row["type"]) == ("Abc ", "Paged"))
        self.assertEqual(row["blocks_gained"], third["outstanding"] - first["outstanding"])

        text = self.poolkd("verdict", *symbols, str(core)).stdout
        self.assertIn("one snapshot", text)
        self.assertIn("No leak is proven: one snapshot tells no growth", text)

    def test_what_holds_no_counters_is_told(self):
        for name, content, told in (("user.dmp", b"MDMP" + bytes(100), "one process, no kernel"),
                                    ("zeros.raw", bytes(2 << 20), "kernel"),
                                    ("cut.dmp", b"PAGEDU64", "ends inside its header")):
            path = self.home / name
            path.write_bytes(content)
            for command in (("verdict", str(path)), ("diff", str(path), str(path))):
                answer = self.poolkd(*command, check=False)
                self.assertEqual(answer.returncode, 1, answer.stdout)
                self.assertIn(name, answer.stderr)
                self.assertIn(told, answer.stderr)


if __name__ == "__main__":
    unittest.main()
