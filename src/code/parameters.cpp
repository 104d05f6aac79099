#include "code/parameters.h"

#include <algorithm>

namespace poolkd::code {

namespace {

using State = Parameter::State;

/// A register of the frame, or the part of one that `name` stands for; nothing when its value in that frame is lost.
std::optional<std::uint64_t> frame_register(const Frame& frame, std::string_view name) {
    const GeneralRegisters& registers = frame.registers;
    const Machine& machine = *registers.machine;
    // kd's ChildEBP lies one word below the return address.
    if (name == symbols::VariableHome::virtual_frame)
        return frame.base ? std::optional(frame.base.value + machine.pointer_size) : std::nullopt;
    const SubRegister* part = machine.find_sub_register(name);
    const std::string_view whole = part ? part->parent : name;
    for (std::size_t i = 0; i < gpr_count; ++i) {
        if (gpr_name(machine, i) != whole || whole.empty()) continue;
        if ((registers.known >> i & 1u) == 0) return std::nullopt;
        if (!part) return registers.gpr[i];
        const std::uint64_t mask = part->bits >= 64 ? ~0ull : (std::uint64_t{1} << part->bits) - 1;
        return registers.gpr[i] >> part->shift & mask;
    }
    return std::nullopt;
}

bool is_aggregate(const symbols::Type& type) {
    return type.kind == symbols::TypeKind::structure || type.kind == symbols::TypeKind::union_ ||
           type.kind == symbols::TypeKind::array;
}

Parameter evaluate(nt::Kernel& kernel, const Frame& frame, const symbols::Variable& variable) {
    Parameter parameter{variable.name, variable.type};
    const std::uint64_t size = variable.type->size;
    if (is_aggregate(*variable.type)) {
        parameter.state = State::aggregate;
        return parameter;
    }
    if (!variable.home || (size != 1 && size != 2 && size != 4 && size != 8)) return parameter;
    auto word = frame_register(frame, variable.home->reg);
    if (!word) return parameter;
    if (variable.home->in_memory) {
        const VirtAddr place = kernel.machine().canonical(*word) + static_cast<std::uint64_t>(variable.home->offset);
        auto value = memory::read_unsigned(kernel.memory(), place, static_cast<unsigned>(size));
        parameter.state = value ? State::known : State::unreadable;
        parameter.value = value.value_or(0);
    } else {
        parameter.state = State::known;
        parameter.value = size == 8 ? *word : *word & ((std::uint64_t{1} << size * 8) - 1);
    }
    return parameter;
}

} // namespace

std::optional<std::vector<Parameter>> parameters_of(nt::Kernel& kernel, const Frame& frame) {
    // The registers of a caller are those behind its call, but the place it is at is the call.
    const VirtAddr place = frame.interrupted ? frame.ip : frame.ip - 1;
    nt::Module* module = kernel.modules().containing(place);
    symbols::ModuleSymbols* symbols = module ? kernel.modules().symbols(*module) : nullptr;
    if (!symbols) return std::nullopt;
    auto variables = symbols->parameters(static_cast<std::uint32_t>(place - module->base));
    if (!variables) return std::nullopt;
    std::vector<Parameter> parameters;
    for (const symbols::Variable& variable : *variables)
        parameters.push_back(evaluate(kernel, frame, variable));
    return parameters;
}

} // namespace poolkd::code
