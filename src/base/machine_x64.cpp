#include "base/machine.h"

namespace poolkd {

namespace {

constexpr RegisterSlot x64_registers[] = {
    {"rax", 0x78, 8},   {"rbx", 0x90, 8}, {"rcx", 0x80, 8}, {"rdx", 0x88, 8}, {"rsi", 0xa8, 8}, {"rdi", 0xb0, 8},
    {"rip", 0xf8, 8},   {"rsp", 0x98, 8}, {"rbp", 0xa0, 8}, {"r8", 0xb8, 8},  {"r9", 0xc0, 8},  {"r10", 0xc8, 8},
    {"r11", 0xd0, 8},   {"r12", 0xd8, 8}, {"r13", 0xe0, 8}, {"r14", 0xe8, 8}, {"r15", 0xf0, 8}, {"cs", 0x38, 2},
    {"ds", 0x3a, 2},    {"es", 0x3c, 2},  {"fs", 0x3e, 2},  {"gs", 0x40, 2},  {"ss", 0x42, 2},  {"efl", 0x44, 4},
    {"mxcsr", 0x34, 4}, {"dr0", 0x48, 8}, {"dr1", 0x50, 8}, {"dr2", 0x58, 8}, {"dr3", 0x60, 8}, {"dr6", 0x68, 8},
    {"dr7", 0x70, 8},
};

// Parts in the order kd's documentation lists them; flag names as `r` prints them.
constexpr SubRegister x64_sub_registers[] = {
    {"eax", "rax", 0, 32},  {"ebx", "rbx", 0, 32},    {"ecx", "rcx", 0, 32},  {"edx", "rdx", 0, 32},
    {"esi", "rsi", 0, 32},  {"edi", "rdi", 0, 32},    {"ebp", "rbp", 0, 32},  {"esp", "rsp", 0, 32},
    {"eip", "rip", 0, 32},  {"ax", "rax", 0, 16},     {"bx", "rbx", 0, 16},   {"cx", "rcx", 0, 16},
    {"dx", "rdx", 0, 16},   {"si", "rsi", 0, 16},     {"di", "rdi", 0, 16},   {"bp", "rbp", 0, 16},
    {"sp", "rsp", 0, 16},   {"al", "rax", 0, 8},      {"bl", "rbx", 0, 8},    {"cl", "rcx", 0, 8},
    {"dl", "rdx", 0, 8},    {"ah", "rax", 8, 8},      {"bh", "rbx", 8, 8},    {"ch", "rcx", 8, 8},
    {"dh", "rdx", 8, 8},    {"sil", "rsi", 0, 8},     {"dil", "rdi", 0, 8},   {"bpl", "rbp", 0, 8},
    {"spl", "rsp", 0, 8},   {"r8d", "r8", 0, 32},     {"r9d", "r9", 0, 32},   {"r10d", "r10", 0, 32},
    {"r11d", "r11", 0, 32}, {"r12d", "r12", 0, 32},   {"r13d", "r13", 0, 32}, {"r14d", "r14", 0, 32},
    {"r15d", "r15", 0, 32}, {"r8w", "r8", 0, 16},     {"r9w", "r9", 0, 16},   {"r10w", "r10", 0, 16},
    {"r11w", "r11", 0, 16}, {"r12w", "r12", 0, 16},   {"r13w", "r13", 0, 16}, {"r14w", "r14", 0, 16},
    {"r15w", "r15", 0, 16}, {"r8b", "r8", 0, 8},      {"r9b", "r9", 0, 8},    {"r10b", "r10", 0, 8},
    {"r11b", "r11", 0, 8},  {"r12b", "r12", 0, 8},    {"r13b", "r13", 0, 8},  {"r14b", "r14", 0, 8},
    {"r15b", "r15", 0, 8},  {"eflags", "efl", 0, 32}, {"fl", "efl", 0, 16},   {"cf", "efl", 0, 1},
    {"pf", "efl", 2, 1},    {"af", "efl", 4, 1},      {"zf", "efl", 6, 1},    {"sf", "efl", 7, 1},
    {"tf", "efl", 8, 1},    {"if", "efl", 9, 1},      {"df", "efl", 10, 1},   {"of", "efl", 11, 1},
    {"iopl", "efl", 12, 2}, {"nt", "efl", 14, 1},     {"vif", "efl", 19, 1},  {"vip", "efl", 20, 1},
};

// KSPECIAL_REGISTERS (ketypes.h of ReactOS). Here stand the debug registers that the processor uses; those of
// CONTEXT are leftovers on some systems.
constexpr RegisterSlot x64_special_registers[] = {
    {"cr0", 0x00, 8},  {"cr2", 0x08, 8},  {"cr3", 0x10, 8}, {"cr4", 0x18, 8},  {"dr0", 0x20, 8},  {"dr1", 0x28, 8},
    {"dr2", 0x30, 8},  {"dr3", 0x38, 8},  {"dr6", 0x40, 8}, {"dr7", 0x48, 8},  {"gdtl", 0x56, 2}, {"gdtr", 0x58, 8},
    {"idtl", 0x66, 2}, {"idtr", 0x68, 8}, {"tr", 0x70, 2},  {"ldtr", 0x72, 2}, {"cr8", 0xa0, 8},  {"gsbase", 0xa8, 8},
};

constexpr Machine x64{
    .name = "x64",
    .kd_name = "x64",
    .image_machine = 0x8664,
    .pointer_size = 8,
    .page_size = 4096,
    .context_size = 0x4d0,
    .context_core_size = 0x100,
    .instruction_pointer = "rip",
    .stack_pointer = "rsp",
    .frame_pointer = "rbp",
    .flags = "efl",
    .result = "rax",
    .break_status = "rcx",
    .registers = x64_registers,
    .sub_registers = x64_sub_registers,
    .special_registers = x64_special_registers,
    .special_size = 0xf0,
};

} // namespace

const Machine& x64_machine() {
    return x64;
}

} // namespace poolkd
