"""What the pool of an image holds: the blocks, and the kernel's counters of them.

A state is JSON whose fields bear the names that poolkd's own answers use: `tags` and `total` as of `!poolused --json`, `blocks`
as of `!poolfind --json`, `modules` as of `lm --json`. What a state does not say is drawn by the seed; addresses are filled in.
"""

import string

PAGE = 0x1000
POOLS = ("nonpaged", "paged")
PROTECTED = 0x80000000
OVERFLOW_TAG = 0x6C66764F  # "Ovfl"


class StateError(Exception):
    """A state that makes no sense."""


def tag_value(text):
    return int.from_bytes(text.encode("latin-1")[:4].ljust(4, b" "), "little")


def tag_text(value):
    """As it is shown: characters that cannot be printed as dots."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in value.to_bytes(4, "little"))


def counts(allocs=0, frees=0, bytes_=0):
    return {"allocs": allocs, "frees": frees, "outstanding": allocs - frees, "bytes": bytes_}


def new_tag(value, overflow=False):
    return {"tag": tag_text(value), "value": value, "nonpaged": counts(), "paged": counts(), "overflow": overflow}


class Shape:
    """What the kernel's era lets blocks be."""

    def __init__(self, pointer, has_pages, big_in_pages, has_protected=True):
        self.unit = 2 * pointer       # of block sizes, and the size of a header
        self.has_pages = has_pages    # small blocks lie in pages of headers; else in a heap that is not forged
        self.big_in_pages = big_in_pages
        self.largest_small = PAGE - self.unit
        self.has_protected = has_protected

    def small(self, size):
        return max(2 * self.unit, min(self.largest_small, size // self.unit * self.unit))


def random_tags(random, count):
    values = {tag_value("Abc"), tag_value("Leak"), 0x4E4D4CF3, tag_value("T\0\0\0")}
    while len(values) < count:
        length = random.choice((2, 3, 4, 4, 4, 4))
        values.add(tag_value("".join(random.choices(string.ascii_letters + string.digits, k=length))))
    values.discard(OVERFLOW_TAG)
    return random.sample(sorted(values), len(values))


def random_blocks(random, shape, value, pool, count):
    """Blocks of a few sizes, as a driver has them, now and then a large one."""
    sizes = [shape.small(random.choice((0x20, 0x40, 0x60, 0x120, 0x300, 0xA00)) + random.randrange(0x80)) for _ in range(2)]
    blocks = []
    for _ in range(count):
        if random.random() < 0.04:
            pages = random.randint(1, 12) * PAGE
            size = pages if shape.big_in_pages else pages + random.choice((0, 0, 0x30, 0x7F8))
            blocks.append(new_block(value, size, pool, big=True))
        else:
            blocks.append(new_block(value, random.choice(sizes), pool, protected=shape.has_protected and random.random() < 0.1))
    return blocks


def new_block(value, size, pool, big=False, protected=False, allocated=True):
    return {"tag": tag_text(value), "value": value, "size": size, "pool": pool, "big": big, "protected": protected, "allocated": allocated}


def count_blocks(rows, blocks):
    """Adds blocks to the counters of their tags; those of tags without a row to the row of what found no room."""
    rows = {row["value"]: row for row in rows}
    for block in blocks:
        row = rows.get(block["value"]) or rows[OVERFLOW_TAG]
        for name, amount in (("allocs", 1), ("outstanding", 1), ("bytes", block["size"])):
            row[block["pool"]][name] += amount


def add_frees(random, rows):
    """What came and went before. One tag's counters have gone round 32 bits."""
    for row in rows:
        for pool in POOLS:
            if row[pool]["allocs"] or random.random() < 0.2:
                frees = random.choice((0, random.randrange(100), random.randrange(1 << 20)))
                row[pool]["frees"] += frees
                row[pool]["allocs"] += frees
    row = next(row for row in rows if row["nonpaged"]["outstanding"] > 1)
    row["nonpaged"]["frees"] = 0xFFFFFFFF
    row["nonpaged"]["allocs"] = 0xFFFFFFFF + row["nonpaged"]["outstanding"]


def random_state(random, shape, blocks_wanted):
    tags = random_tags(random, random.randint(70, 150))
    # Now and then a few tags found no room in the kernel's tables.
    homeless = [value for value in random_tags(random, 8) if value not in tags][:3] if random.random() < 0.5 else []
    blocks = []
    for value in tags + homeless:
        pools = random.choice((POOLS, POOLS[:1], POOLS[1:]))
        for pool in pools:
            blocks += random_blocks(random, shape, value, pool, random.choice((1, 3, 10, 2 * blocks_wanted // len(tags))))
    rows = [new_tag(value) for value in tags] + ([new_tag(OVERFLOW_TAG, True)] if homeless else [])
    count_blocks(rows, blocks)
    add_frees(random, rows)
    if not shape.has_pages:
        blocks = [block for block in blocks if block["big"]]
    return {"tags": rows, "blocks": blocks}


def blocks_of_counters(shape, value, pool, counters):
    """As many blocks as the kernel counts, of nearly one size, that together have as many bytes; None when none can."""
    number, size = counters["outstanding"], counters["bytes"]
    if number <= 0:
        return [] if number == 0 and size == 0 else None
    if size < number * 2 * shape.unit or size % shape.unit:
        return None
    blocks, small = [], size // number // shape.unit * shape.unit
    for left in range(number, 0, -1):
        part = size if left == 1 else small
        big = part > shape.largest_small
        if big:
            # Large blocks are whole pages, and only the last one takes what is left.
            part = part if left == 1 else max(PAGE, part // PAGE * PAGE)
            if part % PAGE and shape.big_in_pages or size < part:
                return None
        blocks.append(new_block(value, part, pool, big))
        size -= part
    return blocks


def completed(given, shape):
    """A state that was given, with what follows from it."""
    rows = []
    if not isinstance(given, dict):
        raise StateError("a state is a JSON object with `tags`")
    try:
        for tag in given["tags"]:
            value = tag["value"] if "value" in tag else tag_value(tag["tag"])
            row = new_tag(value, tag.get("overflow", False))
            for pool in POOLS:
                one = tag.get(pool, {})
                frees = one.get("frees", 0)
                row[pool] = counts(one.get("allocs", frees + one.get("outstanding", 0)), frees, one.get("bytes", 0))
            rows.append(row)
        blocks = [dict(new_block(block.get("value", tag_value(block["tag"])), block["size"], block.get("pool", "nonpaged")), **block)
                  for block in given["blocks"]] if "blocks" in given else None
    except (KeyError, TypeError, AttributeError) as error:
        raise StateError(f"the state is incomplete or of another form: {error}") from error
    if len({row["value"] for row in rows if not row["overflow"]}) != sum(not row["overflow"] for row in rows):
        raise StateError("the state has a tag twice")
    if blocks is None:
        blocks = []
        for row in rows:
            for pool in POOLS:
                made = None if row["overflow"] else blocks_of_counters(shape, row["value"], pool, row[pool])
                blocks += [block for block in made or [] if shape.has_pages or block["big"]]
    return {**given, "tags": rows, "blocks": blocks}


def total(rows):
    return {pool: {name: sum(row[pool][name] for row in rows) for name in counts()} for pool in POOLS}
