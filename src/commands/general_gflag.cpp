#include "commands/general.h"
#include "debugger/global_flags.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::GlobalFlag;
using debugger::Session;

namespace {

void show_json(Session& session, VirtAddr address, std::uint32_t flags) {
    nlohmann::json names = nlohmann::json::array();
    for (const GlobalFlag& f : debugger::global_flags())
        if ((flags & f.bit) != 0) names.push_back(f.abbreviation);
    session.write_json(nlohmann::json{{"address", render::json_address(address)}, {"value", flags}, {"flags", names}});
}

/// Flags among the changed ones that the running kernel no longer looks at.
void tell_boot_only(Session& session, std::uint32_t changed) {
    std::string names;
    for (const GlobalFlag& f : debugger::global_flags())
        if ((changed & f.bit) != 0 && f.at_boot_only)
            names += fmt::format("{}{}", names.empty() ? "" : ", ", f.abbreviation);
    if (names.empty()) return;
    session.print("Note: {} takes effect only while the target starts; the running kernel does not follow this change. "
                  "Set it in the target's boot flags and restart.\n",
                  names);
}

Result<void> run_gflag(Session& session, Arguments& arguments) {
    POOLKD_TRY(VirtAddr address, session.kernel().address_of("NtGlobalFlag"));
    POOLKD_TRY(std::uint64_t value, memory::read_unsigned(session.memory(), address, 4));
    const auto before = static_cast<std::uint32_t>(value);
    std::uint32_t after = before;
    bool change = !arguments.done();
    while (!arguments.done()) {
        POOLKD_TRY(after, debugger::apply_global_flag(after, arguments.word()));
    }
    if (change) {
        POOLKD_CHECK(
            session.journal().write(address, std::as_bytes(std::span(&after, 1)), std::string(arguments.command())));
    }
    if (arguments.json) {
        show_json(session, address, after);
        return {};
    }
    session.print("{} NtGlobalFlag contents: 0x{:08x}\n{}", change ? "New" : "Current", after,
                  debugger::global_flag_lines(after));
    tell_boot_only(session, before ^ after);
    return {};
}

} // namespace

void add_global_flag_commands(debugger::CommandTable& table) {
    std::string_view boot =
        "ptg (pool tagging), ptc, pfc, kst, otl, d32 and dps take effect only at boot: set them in the "
        "target's boot flags instead (poolkd gflags does that for the practice machine).";
    table.add(Command{
        .names = {"!gflag"},
        .family = "Kernel",
        .summary = "show or set the global flags of the running kernel",
        .syntax = "!gflag [{+|-}<name> | [+|-]<hex>] ...",
        .help = boot,
        .json = true,
        .repeat = debugger::Repeat::never,
        .run = run_gflag,
    });
}

} // namespace poolkd::commands
