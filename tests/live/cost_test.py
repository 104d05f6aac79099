"""What questions cost on the link, in bytes and requests. Counts, not times: they are the same on any machine."""

import unittest

from lab import LiveTest


class Cost(LiveTest):
    def cost(self, debugger, command):
        """The answer, and the figures of the link that it took."""
        before = debugger.json(".link")
        answer = debugger.json(command)
        after = debugger.json(".link")
        return answer, {key: after[key] - before[key] for key in ("requests", "bytes_sent", "bytes_received", "packets_sent")}

    def test_poolused_reads_the_tables_once(self):
        self.start_lab("page")
        debugger = self.debug()
        debugger.type("x nt!PoolTrackTable")  # symbols are loaded
        table, cost = self.cost(debugger, "!poolused 4")
        self.assertLessEqual(cost["bytes_sent"] + cost["bytes_received"], 1.15 * table["table_bytes"], cost)
        _, cost = self.cost(debugger, "!poolused 4")
        self.assertEqual(cost["bytes_sent"] + cost["bytes_received"], 0)
        debugger.quit()

    def test_kb_at_a_stop(self):
        self.start_lab("page")
        debugger = self.debug()
        debugger.type("ed nt!poolhittag ' cbA'")
        debugger.type("g")
        debugger.type("kb")  # symbols and unwind tables are warm from here on
        for _ in range(12):
            debugger.type("g")
            debugger.type("kb")
        debugger.type("g")
        before = debugger.json(".link")
        stack = debugger.type("kb")
        after = debugger.json(".link")
        self.assertIn("leaky!", stack)
        self.assertLessEqual(after["requests"] - before["requests"], 4)
        self.assertLessEqual(after["bytes_received"] - before["bytes_received"] + after["bytes_sent"] - before["bytes_sent"], 3 * 1024)
        debugger.quit()

    def test_poolfind_reads_each_pool_page_once(self):
        self.start_lab("page")
        debugger = self.debug()
        debugger.type("!poolused")
        found, cost = self.cost(debugger, "!poolfind Abc Tron IoN7 1 -total")
        pages = (found["pages_of_blocks"] + found["other_pages"]) * 4096
        self.assertGreater(found["pages_of_blocks"], 9000)
        self.assertLessEqual(cost["bytes_sent"] + cost["bytes_received"], 1.2 * pages, cost)
        debugger.quit()


if __name__ == "__main__":
    unittest.main()
