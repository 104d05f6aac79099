#include "base/machine.h"

namespace poolkd {

namespace {

constexpr RegisterSlot x86_registers[] = {
    {"eax", 0xb0, 4}, {"ebx", 0xa4, 4}, {"ecx", 0xac, 4}, {"edx", 0xa8, 4}, {"esi", 0xa0, 4}, {"edi", 0x9c, 4},
    {"eip", 0xb8, 4}, {"esp", 0xc4, 4}, {"ebp", 0xb4, 4}, {"cs", 0xbc, 2},  {"ds", 0x98, 2},  {"es", 0x94, 2},
    {"fs", 0x90, 2},  {"gs", 0x8c, 2},  {"ss", 0xc8, 2},  {"efl", 0xc0, 4}, {"dr0", 0x04, 4}, {"dr1", 0x08, 4},
    {"dr2", 0x0c, 4}, {"dr3", 0x10, 4}, {"dr6", 0x14, 4}, {"dr7", 0x18, 4},
};

// Parts in the order kd's documentation lists them; flag names as `r` prints them.
constexpr SubRegister x86_sub_registers[] = {
    {"ax", "eax", 0, 16},   {"bx", "ebx", 0, 16},     {"cx", "ecx", 0, 16},  {"dx", "edx", 0, 16},
    {"si", "esi", 0, 16},   {"di", "edi", 0, 16},     {"bp", "ebp", 0, 16},  {"sp", "esp", 0, 16},
    {"ip", "eip", 0, 16},   {"al", "eax", 0, 8},      {"bl", "ebx", 0, 8},   {"cl", "ecx", 0, 8},
    {"dl", "edx", 0, 8},    {"ah", "eax", 8, 8},      {"bh", "ebx", 8, 8},   {"ch", "ecx", 8, 8},
    {"dh", "edx", 8, 8},    {"eflags", "efl", 0, 32}, {"fl", "efl", 0, 16},  {"cf", "efl", 0, 1},
    {"pf", "efl", 2, 1},    {"af", "efl", 4, 1},      {"zf", "efl", 6, 1},   {"sf", "efl", 7, 1},
    {"tf", "efl", 8, 1},    {"if", "efl", 9, 1},      {"df", "efl", 10, 1},  {"of", "efl", 11, 1},
    {"iopl", "efl", 12, 2}, {"nt", "efl", 14, 1},     {"vif", "efl", 19, 1}, {"vip", "efl", 20, 1},
};

// KSPECIAL_REGISTERS (ketypes.h of ReactOS).
constexpr RegisterSlot x86_special_registers[] = {
    {"cr0", 0x00, 4},  {"cr2", 0x04, 4},  {"cr3", 0x08, 4}, {"cr4", 0x0c, 4},  {"dr0", 0x10, 4},  {"dr1", 0x14, 4},
    {"dr2", 0x18, 4},  {"dr3", 0x1c, 4},  {"dr6", 0x20, 4}, {"dr7", 0x24, 4},  {"gdtl", 0x2a, 2}, {"gdtr", 0x2c, 4},
    {"idtl", 0x32, 2}, {"idtr", 0x34, 4}, {"tr", 0x38, 2},  {"ldtr", 0x3a, 2},
};

constexpr Machine x86{
    .name = "x86",
    .kd_name = "x86 compatible",
    .image_machine = 0x14c,
    .pointer_size = 4,
    .page_size = 4096,
    .context_size = 0x2cc,
    .context_core_size = 0xcc,
    .instruction_pointer = "eip",
    .stack_pointer = "esp",
    .frame_pointer = "ebp",
    .flags = "efl",
    .result = "eax",
    .break_status = "eax",
    .registers = x86_registers,
    .sub_registers = x86_sub_registers,
    .special_registers = x86_special_registers,
    .special_size = 0x54,
};

} // namespace

const Machine& x86_machine() {
    return x86;
}

} // namespace poolkd
