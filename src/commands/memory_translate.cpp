#include "commands/memory_translate.h"

#include "debugger/session.h"
#include "memory/page_walk.h"
#include "nt/software_entry.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

#include <array>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;
using memory::PageWalk;
using memory::PagingMode;
using memory::WalkStep;

namespace {

constexpr std::size_t cell_width = 27; // of a level's column in `!pte`

/// What `!vtop` takes for a process: the frame of its directory, or the directory's address, as CR3 has it.
std::uint64_t directory_base(std::uint64_t given, const PagingMode& mode) {
    return given >= 0x1000 && (given & ~mode.root_mask) == 0 ? given : given << 12;
}

/// The page tables of the process that is looked at or of the current processor, or those of the directory that the
/// user gave.
Result<PageWalk> page_walk(Session& session, std::uint64_t given = 0) {
    const Machine& machine = session.kernel().machine();
    POOLKD_TRY(const target::PageTables tables, session.page_tables());
    const PagingMode& mode = memory::paging_mode(machine, tables.cr4);
    return PageWalk(session.target().physical(), mode, given != 0 ? directory_base(given, mode) : tables.cr3);
}

/// Names of the levels; kd has none for the fifth, and shows no root of PAE.
constexpr std::array<std::string_view, 6> nt_names = {"", "PTE", "PDE", "PPE", "PXE", "P5E"};
constexpr std::array<std::string_view, 6> processor_names = {"", "PTE", "PDE", "PDPE", "PML4E", "PML5E"};

bool is_shown(const PagingMode& mode, unsigned level) {
    return !(mode.levels == 3 && level == 3);
}

/// The address at which NT's self map shows the entry of a level.
VirtAddr entry_address(const PagingMode& mode, VirtAddr self_map, VirtAddr address, unsigned level) {
    const std::uint64_t mask = (std::uint64_t{1} << mode.address_bits) - 1;
    std::uint64_t at = address.value;
    for (unsigned i = 0; i < level; ++i)
        at = self_map.value + ((at & mask) >> 12) * mode.entry_bytes;
    return VirtAddr(at);
}

/// kd's letters, "C G L D A N T U/K W/R E V"; "-" where a bit is clear.
std::string entry_flags(const PagingMode& mode, const WalkStep& step) {
    auto bit = [&](unsigned number) { return (step.entry >> number & 1) != 0; };
    std::string text;
    text += bit(9) ? 'C' : '-';
    text += bit(8) ? 'G' : '-';
    text += step.leaf && step.level > 1 ? 'L' : '-';
    text += bit(6) ? 'D' : '-';
    text += bit(5) ? 'A' : '-';
    text += bit(4) ? 'N' : '-';
    text += bit(3) ? 'T' : '-';
    text += bit(2) ? 'U' : 'K';
    text += bit(1) ? 'W' : 'R';
    text += mode.entry_bytes == 8 && bit(63) ? '-' : 'E';
    text += bit(0) ? 'V' : '-';
    return text;
}

std::uint64_t frame_number(const PagingMode& mode, const WalkStep& step) {
    return (step.leaf ? mode.page(step.entry, step.level).value : step.entry & mode.frame_mask) >> 12;
}

/// What the system's own entry of a small page says of it; empty where there is none.
std::string state_of_page(const PagingMode& mode, const WalkStep& last) {
    return last.valid || last.level != 1 || last.entry == 0 ? "" : nt::software_entry_text(mode, last.entry);
}

/// A line of columns, without blanks behind the last.
std::string line_of(const std::vector<std::string>& cells) {
    std::string line;
    for (const std::string& cell : cells)
        line += fmt::format("{:<{}}", cell, cell_width);
    line.resize(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

void show_entries(Session& session, PageWalk& walk, VirtAddr address, const std::vector<WalkStep>& steps) {
    const PagingMode& mode = walk.mode();
    const std::optional<VirtAddr> self_map = walk.self_map();
    const unsigned digits = session.pointer_size() * 2;
    std::vector<std::string> places, contents, meanings;
    for (unsigned level = mode.levels; level >= 1; --level) {
        if (!is_shown(mode, level)) continue;
        places.push_back(self_map ? fmt::format("{} at {:0{}X}", nt_names[level],
                                                entry_address(mode, *self_map, address, level).value &
                                                    (digits == 8 ? 0xffffffff : ~std::uint64_t{0}),
                                                digits)
                                  : std::string(nt_names[level]));
    }
    for (const WalkStep& step : steps) {
        if (!is_shown(mode, step.level)) continue;
        contents.push_back(fmt::format("contains {:0{}X}", step.entry, mode.entry_bytes * 2));
        meanings.push_back(step.valid ? fmt::format("pfn {:<10x}{}", frame_number(mode, step), entry_flags(mode, step))
                                      : "not valid");
    }
    const std::string state = state_of_page(mode, steps.back());
    const WalkStep& last = steps.back();
    if (last.leaf && last.level > 1) {
        const std::uint64_t inside = (address.value >> 12) & ((std::uint64_t{1} << (mode.shift(last.level) - 12)) - 1);
        meanings.push_back(fmt::format("LARGE PAGE pfn {:x}", frame_number(mode, last) + inside));
    } else if (last.valid && !last.leaf) {
        contents.emplace_back("unreadable");
    }
    session.print("{:>{}} {:0{}x}\n", "VA", digits == 8 ? 22u : 45u,
                  address.value & (digits == 8 ? 0xffffffff : ~std::uint64_t{0}), digits);
    session.write(line_of(places));
    session.write(line_of(contents));
    session.write(line_of(meanings));
    if (!state.empty()) session.print("The page is {}\n", state);
}

Result<void> show_pte(Session& session, Arguments& arguments) {
    POOLKD_TRY(const VirtAddr address, session.address(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_TRY(PageWalk walk, page_walk(session));
    const std::vector<WalkStep> steps = walk.steps(address);
    if (steps.empty()) return fail(ErrorKind::unreadable, "The root of the page tables cannot be read");
    if (!arguments.json) {
        show_entries(session, walk, address, steps);
        return {};
    }
    nlohmann::json entries = nlohmann::json::array();
    for (const WalkStep& step : steps)
        entries.push_back({{"level", step.level},
                           {"physical", fmt::format("{:#x}", step.at.value)},
                           {"entry", fmt::format("{:#x}", step.entry)},
                           {"valid", step.valid},
                           {"page", step.leaf}});
    nlohmann::json json{
        {"address", render::json_address(address)}, {"paging", walk.mode().name}, {"entries", std::move(entries)}};
    if (const std::string state = state_of_page(walk.mode(), steps.back()); !state.empty()) json["state"] = state;
    session.write_json(std::move(json));
    return {};
}

void show_translation(Session& session, const PagingMode& mode, VirtAddr address, PhysAddr physical,
                      const std::vector<WalkStep>& steps) {
    if (session.pointer_size() == 4) {
        const std::uint64_t low = address.value & 0xffffffff;
        session.print("Pdi {:x} Pti {:x}\n", low >> mode.shift(2), low >> 12 & ((1u << mode.index_bits) - 1));
        session.print("{:08x} {:08x} pfn({:05x})\n", low, physical.value & ~std::uint64_t{0xfff}, physical.value >> 12);
        return;
    }
    auto word = [](std::uint64_t value) { return format_address(value, 8); };
    session.print("Amd64VtoP: Virt {}, pagedir {}\n", word(address.value),
                  word(steps.front().at.value & ~std::uint64_t{0xfff}));
    for (const WalkStep& step : steps)
        session.print("Amd64VtoP: {} {}\n", processor_names[step.level], word(step.at.value));
    if (steps.back().level > 1) session.write("Amd64VtoP: Large page mapped\n");
    session.print("Amd64VtoP: Mapped phys {}\n", word(physical.value));
    session.print("Virtual address {:x} translates to physical address {:x}.\n", address.value, physical.value);
}

/// Also of a page in transition; the error of another one that is not present says where it is.
Result<PhysAddr> translate(PageWalk& walk, VirtAddr address, const std::vector<WalkStep>& steps) {
    auto physical = walk.translate(address);
    if (physical || steps.empty()) return physical;
    const std::string state = state_of_page(walk.mode(), steps.back());
    if (state.empty()) return physical;
    if (const auto page = nt::transition_page(walk.mode(), steps.back().entry))
        return *page + address.value % (std::uint64_t{1} << walk.mode().shift(1));
    return fail_at(address, ErrorKind::unreadable, fmt::format("{}: the page is {}", physical.error().message, state));
}

Result<void> virtual_to_physical(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::uint64_t first, session.expression(arguments));
    VirtAddr address(first);
    std::uint64_t given = 0;
    if (!arguments.done()) {
        given = first;
        POOLKD_TRY(address, session.address(arguments));
    }
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_TRY(PageWalk walk, page_walk(session, given));
    const std::vector<WalkStep> steps = walk.steps(address);
    POOLKD_TRY(const PhysAddr physical, translate(walk, address, steps));
    if (arguments.json) {
        session.write_json(
            {{"address", render::json_address(address)}, {"physical", fmt::format("{:#x}", physical.value)}});
        return {};
    }
    show_translation(session, walk.mode(), address, physical, steps);
    return {};
}

} // namespace

void add_translate_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"!pte"},
        .family = "Memory",
        .summary = "show the page table entries of an address",
        .syntax = "!pte <address>",
        .help = "Where each entry stands, what it contains, and of a valid one the frame and flags: C copy on write, "
                "G global, L large page, D dirty, A accessed, N not cached, T write-through, U user or K kernel, "
                "W writable or R read-only, E executable, V valid.",
        .json = true,
        .run = show_pte,
    });
    table.add(Command{
        .names = {"!vtop"},
        .family = "Memory",
        .summary = "translate a virtual address into a physical one",
        .syntax = "!vtop [<directory base or its frame>] <address>",
        .help = "Without a directory, or with 0, by the page tables of the current processor.",
        .json = true,
        .run = virtual_to_physical,
    });
}

} // namespace poolkd::commands
