"""The include-direction check must find what it exists for, and name file and line."""

import tempfile
import unittest
from pathlib import Path

from include_direction import check

PAGE = """
| Floor | Folder | Holds |
|---|---|---|
| 2 | `kd` · `symbols` | packets, PDB |
| 1 | `memory` | readers |
| 0 | `base` | everything |
"""


class IncludeDirection(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)
        self.write("ARCHITECTURE.md", PAGE)
        self.write("src/CMakeLists.txt", "poolkd_floor(kd FLOORS memory base LIBRARIES fmt::fmt)\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def test_downwards_and_own_folder_are_fine(self):
        self.write("src/kd/link.cpp", '#include "kd/link.h"\n#include "memory/cache.h"\n#include <vector>\n')
        self.assertEqual(check(self.root), [])

    def test_upwards(self):
        self.write("src/memory/cache.cpp", '#include "memory/cache.h"\n\n  #  include "kd/link.h"\n')
        (line,) = check(self.root)
        self.assertTrue(line.startswith('src/memory/cache.cpp:3: #  include "kd/link.h": '), line)
        self.assertIn("above floor 1", line)

    def test_neighbour(self):
        self.write("src/kd/names.h", '#include "symbols/type.h"\n')
        (line,) = check(self.root)
        self.assertTrue(line.startswith("src/kd/names.h:1: "), line)
        self.assertIn("neighbour", line)

    def test_detours(self):
        self.write("src/base/a.cpp", '#include "../kd/link.h"\n#include "a.h"\n')
        self.assertEqual([line.split(": ")[0] for line in check(self.root)], ["src/base/a.cpp:1", "src/base/a.cpp:2"])

    def test_sub_folder_counts_as_its_floor(self):
        self.write("src/memory/x64/walk.cpp", '#include "memory/x64/walk.h"\n#include "symbols/type.h"\n')
        (line,) = check(self.root)
        self.assertTrue(line.startswith("src/memory/x64/walk.cpp:2: "), line)

    def test_unknown_folder(self):
        self.write("src/misc/a.cpp", "")
        (line,) = check(self.root)
        self.assertIn("'misc' is not in the table", line)

    def test_link_list(self):
        self.write("src/CMakeLists.txt", "poolkd_floor(memory FLOORS base\n  kd LIBRARIES fmt::fmt)\n")
        (line,) = check(self.root)
        self.assertIn("memory links kd", line)

    def test_link_list_ends_at_the_next_keyword(self):
        self.write("src/CMakeLists.txt", "poolkd_floor(kd FLOORS memory PRIVATE_LIBRARIES llvm)\npoolkd_floor(base)\n")
        self.assertEqual(check(self.root), [])

    def test_page_without_table(self):
        self.write("ARCHITECTURE.md", "no floors here")
        self.assertEqual(check(self.root), ["ARCHITECTURE.md: no table of floors found"])


if __name__ == "__main__":
    unittest.main()
