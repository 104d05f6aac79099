#pragma once

#include <cstdint>
#include <string>

namespace poolkd::symbols {

/// How a stretch of 32-bit code uses its stack: what x86 has in the place of unwind tables, and keeps in the PDB.
/// Sizes in bytes. Sources: FPO_DATA of the public header winnt.h; FrameData as documented with LLVM's PDB pages.
struct FrameRecord {
    enum class Kind {
        program,       ///< `program` computes the caller's registers
        fpo,           ///< a fixed frame without frame pointer: saved registers and locals above the stack pointer
        trap,          ///< a trap handler: ebp points to a KTRAP_FRAME
        task,          ///< entered through a task gate: the interrupted state is in the previous TSS
        frame_pointer, ///< ebp points to the caller's ebp, with the return address above it
    };

    std::uint32_t rva = 0;  ///< of the first byte that the record holds for
    std::uint32_t size = 0; ///< bytes of code from there on
    Kind kind = Kind::program;
    std::uint32_t locals = 0;
    std::uint32_t parameters = 0; ///< on the stack; by the calling convention the function may remove them
    std::uint32_t saved_registers = 0;
    std::uint32_t prolog = 0;        ///< bytes of code
    bool uses_frame_pointer = false; ///< ebp holds something else and was saved; of `fpo` only
    std::string program;             ///< postfix: "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + ="
};

} // namespace poolkd::symbols
