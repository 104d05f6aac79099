#include "debugger/global_flags.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>

namespace poolkd::debugger {

namespace {

constexpr GlobalFlag flags_by_bit[] = {
    {0x1, "soe", "Stop on exception"},
    {0x2, "sls", "Show loader snaps"},
    {0x4, "dic", "Debug initial command"},
    {0x8, "shg", "Stop on hung GUI"},
    {0x10, "htc", "Enable heap tail checking"},
    {0x20, "hfc", "Enable heap free checking"},
    {0x40, "hpc", "Enable heap parameter checking"},
    {0x80, "hvc", "Enable heap validation on call"},
    {0x100, "ptc", "Enable pool tail checking", true},
    {0x200, "pfc", "Enable pool free checking", true},
    {0x400, "ptg", "Enable pool tagging", true},
    {0x800, "htg", "Enable heap tagging"},
    {0x1000, "ust", "Create user mode stack trace database"},
    {0x2000, "kst", "Create kernel mode stack trace database", true},
    {0x4000, "otl", "Maintain a list of objects for each type", true},
    {0x8000, "htd", "Enable heap tagging by DLL"},
    {0x10000, "dse", "Disable stack extensions"},
    {0x20000, "d32", "Enable debugging of Win32 subsystem", true},
    {0x40000, "ksl", "Enable loading of kernel debugger symbols"},
    {0x80000, "dps", "Disable paging of kernel stacks", true},
    {0x100000, "scb", "Enable system critical breaks"},
    {0x200000, "dhc", "Disable heap coalesce on free"},
    {0x400000, "ece", "Enable close exception"},
    {0x800000, "eel", "Enable exception logging"},
    {0x1000000, "eot", "Enable object handle type tagging"},
    {0x2000000, "hpa", "Enable page heap"},
    {0x4000000, "dwl", "Debug WINLOGON"},
    {0x8000000, "ddp", "Disable kernel mode DbgPrint output"},
    {0x10000000, "cse", "Early critical section event creation"},
    {0x20000000, "ltd", "Load DLLs top-down"},
    {0x40000000, "bhd", "Enable bad handles detection"},
    {0x80000000, "dpd", "Disable protected DLL verification"},
};

} // namespace

std::span<const GlobalFlag> global_flags() {
    return flags_by_bit;
}

const GlobalFlag* find_global_flag(std::string_view abbreviation) {
    auto found = std::ranges::find_if(
        flags_by_bit, [&](const GlobalFlag& f) { return equals_ignore_case(f.abbreviation, abbreviation); });
    return found == std::end(flags_by_bit) ? nullptr : found;
}

Result<std::uint32_t> apply_global_flag(std::uint32_t flags, std::string_view word) {
    std::string_view rest = word;
    bool signed_word = rest.starts_with('+') || rest.starts_with('-');
    bool clear = rest.starts_with('-');
    if (signed_word) rest.remove_prefix(1);
    std::uint32_t bits = 0;
    if (const GlobalFlag* flag = find_global_flag(rest)) {
        if (!signed_word)
            return fail(ErrorKind::usage, "A flag's name needs a sign: +{0} sets it, -{0} clears it",
                        flag->abbreviation);
        bits = flag->bit;
    } else {
        if (rest.starts_with("0x") || rest.starts_with("0X")) rest.remove_prefix(2);
        auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), bits, 16);
        if (rest.empty() || error != std::errc{} || end != rest.data() + rest.size())
            return fail(ErrorKind::usage, "'{}' is neither the name of a global flag nor a hex number", word);
    }
    return clear ? flags & ~bits : flags | bits;
}

std::string global_flag_lines(std::uint32_t flags) {
    std::string lines;
    for (const GlobalFlag& f : flags_by_bit)
        if ((flags & f.bit) != 0) lines += fmt::format("    {} - {}\n", f.abbreviation, f.description);
    return lines;
}

} // namespace poolkd::debugger
