#include "dumps/qemu_processor.h"

#include <cstddef>
#include <string_view>

namespace poolkd::dumps {

namespace {

struct NoteField {
    std::string_view x64, x86; ///< names of the register; empty where the machine has none
    std::size_t offset;
};

// General and segment registers; a segment is selector, limit, flags, padding (4 bytes each), base (8).
constexpr NoteField note_registers[] = {
    {"rax", "eax", 0x08}, {"rbx", "ebx", 0x10}, {"rcx", "ecx", 0x18}, {"rdx", "edx", 0x20}, {"rsi", "esi", 0x28},
    {"rdi", "edi", 0x30}, {"rsp", "esp", 0x38}, {"rbp", "ebp", 0x40}, {"r8", "", 0x48},     {"r9", "", 0x50},
    {"r10", "", 0x58},    {"r11", "", 0x60},    {"r12", "", 0x68},    {"r13", "", 0x70},    {"r14", "", 0x78},
    {"r15", "", 0x80},    {"rip", "eip", 0x88}, {"efl", "efl", 0x90}, {"cs", "cs", 0x98},   {"ds", "ds", 0xb0},
    {"es", "es", 0xc8},   {"fs", "fs", 0xe0},   {"gs", "gs", 0xf8},   {"ss", "ss", 0x110},
};

// By the names of KSPECIAL_REGISTERS.
constexpr NoteField note_special_registers[] = {
    {"ldtr", "ldtr", 0x128}, {"tr", "tr", 0x140},     {"gdtl", "gdtl", 0x15c}, {"gdtr", "gdtr", 0x168},
    {"idtl", "idtl", 0x174}, {"idtr", "idtr", 0x180}, {"cr0", "cr0", 0x188},   {"cr2", "cr2", 0x198},
    {"cr3", "cr3", 0x1a0},   {"cr4", "cr4", 0x1a8},
};

constexpr std::size_t fs_base_at = 0xf0, gs_base_at = 0x108, kernel_gs_base_at = 0x1b0;
constexpr std::size_t smallest_note = 0x1b0; // without kernel_gs_base, which later versions of QEMU write

} // namespace

std::optional<ProcessorState> read_qemu_processor(Bytes note, const Machine& machine) {
    const bool is_64 = machine.pointer_size == 8;
    if (load<std::uint32_t>(note, 0) != 1u || note.size() < smallest_note) return std::nullopt;
    const auto size = load_or<std::uint32_t>(note, 4);
    auto value = [&](std::size_t offset) { return load_or<std::uint64_t>(note, offset); };

    RegisterFile registers(machine, ByteVector(machine.context_size));
    for (const NoteField& field : note_registers)
        (void)registers.set(is_64 ? field.x64 : field.x86, value(field.offset));
    ProcessorState state;
    state.context.assign(registers.bytes().begin(), registers.bytes().end());
    state.special.resize(machine.special_size);
    for (const NoteField& field : note_special_registers)
        for (const RegisterSlot& slot : machine.special_registers)
            if (slot.name == (is_64 ? field.x64 : field.x86))
                store_unsigned(state.special, slot.offset, slot.size, value(field.offset));
    state.fs_base = machine.canonical(value(fs_base_at));
    state.gs_base = machine.canonical(value(gs_base_at));
    if (is_64 && size >= kernel_gs_base_at + 8 && note.size() >= kernel_gs_base_at + 8)
        state.kernel_gs_base = VirtAddr(value(kernel_gs_base_at));
    return state;
}

} // namespace poolkd::dumps
