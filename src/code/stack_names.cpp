#include "code/stack_names.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::code {

namespace {

/// Where the processor's own part of KTRAP_FRAME begins: fixed in every kernel of a machine, since the trap handlers'
/// code is built around it (on x64 their unwind records are, too); asked of the symbols all the same.
std::uint32_t ip_in_trap_frame(nt::Kernel& kernel) {
    const bool wide = kernel.machine().pointer_size == 8;
    const std::uint32_t usual = wide ? 0x168 : 0x68;
    auto layout = kernel.layout("_KTRAP_FRAME");
    if (!layout) return usual;
    return (*layout)->offset(wide ? "Rip" : "Eip").value_or(usual);
}

std::string bare_address(const Machine& machine, VirtAddr address) {
    // kd leaves out the upper half where it is zero.
    if (machine.pointer_size == 4) return "0x" + format_address(address.value, machine.pointer_size);
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
        name.name_length = name.site.size();
        if (at.displacement != 0) name.name_length = std::min(name.name_length, name.site.rfind("+0x"));
        if (name.site.empty()) name.site = bare_address(*trace.machine, frame.ip);
        if (at.module) {
            name.module = at.module->name;
            // The line of a caller is that of the call, not of what follows it.
            VirtAddr where = frame.interrupted ? frame.ip : frame.ip - 1;
            if (at.module->symbols && at.module->contains(where))
                name.line = at.module->symbols->line(static_cast<std::uint32_t>(where - at.module->base));
        }
        if (frame.machine_frame) name.trap_frame = *frame.machine_frame - ip_in_trap_frame(kernel);
        names.push_back(std::move(name));
    }
    return names;
}

void name_parameters(nt::Kernel& kernel, const StackTrace& trace, std::vector<FrameName>& names) {
    for (std::size_t i = 0; i < names.size() && i < trace.frames.size(); ++i)
        names[i].parameters = parameters_of(kernel, trace.frames[i]);
}

} // namespace poolkd::code
