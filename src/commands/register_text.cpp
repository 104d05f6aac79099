#include "commands/register_text.h"

#include "base/text.h"

#include <fmt/format.h>

namespace poolkd::commands {

namespace {

struct FlagWords {
    unsigned bit;
    std::string_view set, clear;
};

constexpr FlagWords flag_words[] = {{11, "ov", "nv"}, {10, "dn", "up"}, {9, "ei", "di"}, {7, "ng", "pl"},
                                    {6, "zr", "nz"},  {4, "ac", "na"},  {2, "pe", "po"}, {0, "cy", "nc"}};

std::string x64_text(const RegisterFile& registers) {
    static constexpr std::string_view order[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rip", "rsp", "rbp",
                                                 "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    auto value = [&](std::string_view name) { return registers.get(name).value_or(0); };
    std::string text;
    for (std::size_t i = 0; i < std::size(order); ++i) {
        bool row_ends = i % 3 == 2 || i + 1 == std::size(order);
        text += fmt::format("{:>3}={:016x}{}", order[i], value(order[i]), row_ends ? "\n" : " ");
    }
    text += fmt::format("iopl={:<10x}{}\n", value("iopl"), flags_text(value("efl")));
    text += fmt::format("cs={:04x}  ss={:04x}  ds={:04x}  es={:04x}  fs={:04x}  gs={:04x}             efl={:08x}\n",
                        value("cs"), value("ss"), value("ds"), value("es"), value("fs"), value("gs"), value("efl"));
    return text;
}

/// x86 prints the flags behind the registers of its second row; segments have a row of their own.
std::string x86_text(const RegisterFile& registers) {
    static constexpr std::string_view order[] = {"eax", "ebx", "ecx", "edx", "esi", "edi"};
    auto value = [&](std::string_view name) { return registers.get(name).value_or(0); };
    std::string text;
    for (std::string_view name : order)
        text += fmt::format("{}={:08x}{}", name, value(name), name == "edi" ? "\n" : " ");
    text += fmt::format("eip={:08x} esp={:08x} ebp={:08x} iopl={:<10x}{}\n", value("eip"), value("esp"), value("ebp"),
                        value("iopl"), flags_text(value("efl")));
    text += fmt::format("cs={:04x}  ss={:04x}  ds={:04x}  es={:04x}  fs={:04x}  gs={:04x}             efl={:08x}\n",
                        value("cs"), value("ss"), value("ds"), value("es"), value("fs"), value("gs"), value("efl"));
    return text;
}

} // namespace

std::string flags_text(std::uint64_t flags) {
    std::string text;
    for (const FlagWords& f : flag_words) {
        if (!text.empty()) text += ' ';
        text += (flags >> f.bit & 1) != 0 ? f.set : f.clear;
    }
    return text;
}

std::string all_registers_text(const RegisterFile& registers) {
    return registers.machine().pointer_size == 8 ? x64_text(registers) : x86_text(registers);
}

std::optional<std::string> register_text(const RegisterFile& registers, std::string_view name) {
    auto value = registers.get(name);
    if (!value) return std::nullopt;
    std::string lower = to_lower(name);
    const RegisterSlot* slot = registers.machine().find_register(lower);
    const SubRegister* part = registers.machine().find_sub_register(lower);
    unsigned bits = slot ? slot->size * 8u : part ? part->bits : 64u;
    return fmt::format("{}={:0{}x}", lower, *value, (bits + 3) / 4);
}

} // namespace poolkd::commands
