"""Records of the kernel, filled in by the names of their members."""


class Record:
    def __init__(self, table, type_name):
        self.table, self.type_name = table, type_name
        self.bytes = bytearray(table.size(type_name))

    def has(self, member):
        return self.table.has(self.type_name, member.split(".")[0])

    def set(self, path, value):
        slot = self.table.slot(self.type_name, path)
        old = int.from_bytes(self.bytes[slot.offset:slot.offset + slot.size], "little")
        if slot.bit_count:
            mask = (1 << slot.bit_count) - 1 << slot.bit_position
            value = old & ~mask | value << slot.bit_position & mask
        self.bytes[slot.offset:slot.offset + slot.size] = (value & (1 << 8 * slot.size) - 1).to_bytes(slot.size, "little")
        return self

    def set_if(self, path, value):
        """For members that not all versions have."""
        return self.set(path, value) if self.has(path) else self

    def put(self, path, data):
        """Bytes from the place of a member on, as many as it has room for."""
        slot = self.table.slot(self.type_name, path)
        data = bytes(data)[:slot.size]
        self.bytes[slot.offset:slot.offset + len(data)] = data
        return self

    def set_list(self, path, forward, back):
        offset, width = self.table.offset(self.type_name, path), self.table.pointer
        mask = (1 << 8 * width) - 1
        self.bytes[offset:offset + 2 * width] = (forward & mask).to_bytes(width, "little") + (back & mask).to_bytes(width, "little")
        return self


def unicode_string(space, table, text, place):
    """UNICODE_STRING for text at `place`, which holds room for it."""
    data = text.encode("utf-16-le")
    space.write(place, data + b"\0\0")
    record = Record(table, "_UNICODE_STRING")
    return bytes(record.set("Length", len(data)).set("MaximumLength", len(data) + 2).set("Buffer", place).bytes)
