#include "code/stack_names.h"

#include "base/text.h"

namespace poolkd::code {

namespace {

/// Offset of Rip in KTRAP_FRAME: 0x168 in every x64 kernel, since the trap handlers' code and their unwind records are
/// built around it; asked of the symbols all the same.
std::uint32_t rip_in_trap_frame(nt::Kernel& kernel) {
    constexpr std::uint32_t usual = 0x168;
    auto layout = kernel.layout("_KTRAP_FRAME");
    if (!layout) return usual;
    return (*layout)->offset("Rip").value_or(usual);
}

std::string bare_address(VirtAddr address) {
    // kd leaves out the upper half where it is zero.
    if (address.value <= 0xffffffff) return fmt::format("{:#x}", address.value);
    return "0x" + format_address(address.value);
}

} // namespace

std::vector<FrameName> name_frames(nt::Kernel& kernel, const StackTrace& trace) {
    std::vector<FrameName> names;
    names.reserve(trace.frames.size());
    for (const Frame& frame : trace.frames) {
        FrameName name;
        nt::SymbolAt at = kernel.modules().at(frame.ip);
        name.site = at.text();
        if (name.site.empty()) name.site = bare_address(frame.ip);
        if (at.module) {
            name.module = at.module->name;
            // The line of a caller is that of the call, not of what follows it.
            VirtAddr where = frame.interrupted ? frame.ip : frame.ip - 1;
            if (at.module->symbols && at.module->contains(where))
                name.line = at.module->symbols->line(static_cast<std::uint32_t>(where - at.module->base));
        }
        if (frame.machine_frame) name.trap_frame = *frame.machine_frame - rip_in_trap_frame(kernel);
        names.push_back(std::move(name));
    }
    return names;
}

} // namespace poolkd::code
