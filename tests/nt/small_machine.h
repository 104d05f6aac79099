#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <string_view>

namespace poolkd::nt::small_machine {

inline constexpr std::size_t memory_bytes = 64 * 4096;

/// The memory of a machine with a kernel of four pages: header, nothing (not mapped), code, data with KDBG.
struct SmallMachine {
    ByteVector bytes = ByteVector(memory_bytes);

    template <class T>
    void put(std::size_t at, T value) {
        store(MutableBytes(bytes), at, value);
    }
    void kernel_image(std::size_t header, bool is_64, std::string_view pdb) {
        put(header, std::uint16_t{0x5a4d});
        put(header + 0x3c, std::uint32_t{0x80});
        put(header + 0x80, std::uint32_t{0x4550});
        put(header + 0x84, std::uint16_t{is_64 ? std::uint16_t{0x8664} : std::uint16_t{0x14c}});
        const std::size_t optional_bytes = is_64 ? 0xf0 : 0xe0, optional = header + 0x98;
        put(header + 0x94, static_cast<std::uint16_t>(optional_bytes));
        put(optional, std::uint16_t{is_64 ? std::uint16_t{0x20b} : std::uint16_t{0x10b}});
        put(optional + 32, std::uint32_t{0x1000});
        put(optional + 56, std::uint32_t{0x4000}); // SizeOfImage
        put(optional + 60, std::uint32_t{0x1000});
        const std::size_t directories = optional + (is_64 ? 112 : 96);
        put(directories - 4, std::uint32_t{16});
        put(directories + 6 * 8, std::uint32_t{0x400}); // debug directory
        put(directories + 6 * 8 + 4, std::uint32_t{28});
        put(header + 0x400 + 12, std::uint32_t{2}); // CodeView
        put(header + 0x400 + 16, std::uint32_t{24 + static_cast<std::uint32_t>(pdb.size()) + 1});
        put(header + 0x400 + 20, std::uint32_t{0x500});
        put(header + 0x500, std::uint32_t{0x53445352});
        for (std::size_t i = 0; i < pdb.size(); ++i)
            put(header + 0x518 + i, pdb[i]);
    }
};

inline constexpr std::uint64_t base_64 = 0xfffff80000400000;

inline SmallMachine x64_small(std::string_view pdb = "ntkrnlmp.pdb") {
    SmallMachine machine;
    // Root at 5000, the self map at an entry that no table of known places has.
    machine.put(0x5000 + 8 * 0x13d, std::uint64_t{0x5063});
    machine.put(0x5000 + 8 * 0x1f0, std::uint64_t{0x6063});
    machine.put(0x5000 + 8 * 0x1ef, std::uint64_t{0xb063});
    machine.put(0x6000, std::uint64_t{0x7063});         // fffff800`00000000
    machine.put(0x7000 + 8 * 2, std::uint64_t{0x8063}); // ..400000
    machine.put(0x8000, std::uint64_t{0x10063});
    machine.put(0x8010, std::uint64_t{0x11063});
    machine.put(0x8018, std::uint64_t{0x12063});
    // KUSER_SHARED_DATA at fffff780`00000000: entry 1ef, 0, 0, 0.
    machine.put(0xb000, std::uint64_t{0xc063});
    machine.put(0xc000, std::uint64_t{0xd063});
    machine.put(0xd000, std::uint64_t{0xe063});
    machine.put(0xe260, std::uint32_t{22621});
    machine.put(0xe264, std::uint32_t{1});
    machine.put(0xe26c, std::uint32_t{10});
    machine.kernel_image(0x10000, true, pdb);
    machine.put(0x11000 + 0x20, std::uint64_t{0x4742444b00000000}); // the tag alone
    machine.put(0x12000 + 0x110, std::uint32_t{0x4742444b});        // KDBG at data + 100
    machine.put(0x12000 + 0x114, std::uint32_t{0x340});
    machine.put(0x12000 + 0x118, base_64);
    machine.put(0x12000 + 0x148, base_64 + 0x3f00);
    return machine;
}

} // namespace poolkd::nt::small_machine
