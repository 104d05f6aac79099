#include "hunt/break_in.h"

#include "nt/bug_check.h"

#include <algorithm>
#include <string>
#include <vector>

namespace poolkd::hunt {

std::optional<bool> at_break_in(nt::Kernel& kernel, const control::StopReport& report) {
    if (report.kind != control::StopKind::hard_breakpoint) return false;
    constexpr std::uint64_t status_control_c = 1; // DBG_STATUS_CONTROL_C: the routine's argument
    std::vector<VirtAddr> places;
    if (const nt::Kdbg* kdbg = kernel.kdbg())
        if (auto at = kdbg->value(nt::Kdbg::breakpoint_with_status)) places.push_back(*at);
    for (std::string_view name : {"DbgBreakPointWithStatus", "RtlpBreakWithStatusInstruction"})
        if (auto at = kernel.address_of(name)) places.push_back(*at);
    if (places.empty()) return std::nullopt;
    if (std::ranges::find(places, report.stop.ip) == places.end()) return false;
    auto registers = kernel.target().registers(report.stop.processor);
    if (!registers) return std::nullopt;
    const auto status = registers->get(kernel.machine().break_status);
    return status && (*status & 0xffffffff) == status_control_c;
}

std::string describe_stop(nt::Kernel& kernel, const control::StopReport& report) {
    if (nt::read_bug_check(kernel)) return "the target is in a bug check";
    switch (report.kind) {
    case control::StopKind::breakpoint: return fmt::format("breakpoint {} was hit", report.breakpoint_id);
    case control::StopKind::hard_breakpoint: return "the target reached a breakpoint of its own";
    case control::StopKind::step_done: return "a step ended";
    case control::StopKind::module_load:
    case control::StopKind::module_unload: return "a module event stopped it";
    case control::StopKind::exception: break;
    }
    const auto* exception = std::get_if<target::ExceptionStop>(&report.stop.reason);
    return fmt::format("exception {:08x}", exception ? exception->code : 0);
}

} // namespace poolkd::hunt
