"""Tables of docs/images.md that say what was tested: each is written by the test that ran it, and compared by it.

A table stands between `<!-- tested: NAME -->` and `<!-- end -->`. POOLKD_GOLDEN_ACCEPT=1 writes it anew.
"""

import os
import pathlib

PAGE = pathlib.Path(__file__).resolve().parent / "images.md"


def table(corner, columns, rows):
    """`rows`: name to the cells below the columns; a cell that was not tested is empty."""
    lines = ["| " + " | ".join([corner, *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += ["| " + " | ".join([name, *(str(cells.get(column, "")) for column in columns)]) + " |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"


def difference(name, text):
    """What is wrong with the page, or nothing."""
    page = PAGE.read_text(encoding="utf-8")
    head, end = f"<!-- tested: {name} -->\n", "<!-- end -->"
    if head not in page:
        return f"{PAGE.name} has no table {name}"
    before, rest = page.split(head, 1)
    said, behind = rest.split(end, 1)
    if said == text:
        return None
    if os.environ.get("POOLKD_GOLDEN_ACCEPT") == "1":
        PAGE.write_text(before + head + text + end + behind, encoding="utf-8")
        return None
    return f"{PAGE.name} says of {name}\n{said}and the test ran\n{text}"
