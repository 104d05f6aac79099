#include "debugger/session_expressions.h"

#include "base/text.h"
#include "debugger/session.h"

namespace poolkd::debugger {

namespace {

/// "$t7" is 7; nothing for other names.
std::optional<std::size_t> user_register_index(std::string_view lower) {
    if (!lower.starts_with("$t") || lower.size() < 3 || lower.size() > 4) return std::nullopt;
    std::size_t index = 0;
    for (char c : lower.substr(2)) {
        if (c < '0' || c > '9') return std::nullopt;
        index = index * 10 + static_cast<std::size_t>(c - '0');
    }
    if (index >= 20 || (lower.size() == 4 && lower[2] == '0')) return std::nullopt;
    return index;
}

/// "$bp3" is 3.
std::optional<std::uint32_t> breakpoint_number(std::string_view lower) {
    if (!lower.starts_with("$bp") || lower.size() < 4 || lower.size() > 7) return std::nullopt;
    std::uint32_t number = 0;
    for (char c : lower.substr(3)) {
        if (c < '0' || c > '9') return std::nullopt;
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return number;
}

template <class T>
Result<std::optional<std::uint64_t>> some(Result<T> value) {
    if (!value) return std::unexpected(value.error());
    if constexpr (std::is_same_v<T, VirtAddr>) {
        return std::optional(value->value);
    } else {
        return std::optional<std::uint64_t>(*value);
    }
}

} // namespace

unsigned SessionExpressions::pointer_size() const {
    return session_.pointer_size();
}

Result<std::optional<RegisterValue>> SessionExpressions::machine_register(std::string_view name) {
    if (!session_.has_target()) return std::optional<RegisterValue>{};
    std::string lower = to_lower(name);
    const Machine& machine = session_.kernel().machine();
    const RegisterSlot* slot = machine.find_register(lower);
    const SubRegister* part = machine.find_sub_register(lower);
    if (!slot && !part) return std::optional<RegisterValue>{};
    POOLKD_TRY(RegisterFile registers, session_.registers());
    auto value = registers.get(lower);
    if (!value) return std::optional<RegisterValue>{};
    return std::optional(RegisterValue{*value, slot ? slot->size * 8u : part->bits});
}

Result<std::optional<std::uint64_t>> SessionExpressions::pseudo_register(std::string_view name) {
    const std::string lower = to_lower(name);
    if (auto index = user_register_index(lower)) return std::optional(user_[*index]);
    if (lower == "$exp") return std::optional(last_value_);
    if (lower == "$p") return std::optional(last_display_);
    if (lower == "$extret") return std::optional(extension_);
    if (lower == "$ptrsize") return std::optional(std::uint64_t{pointer_size()});
    if (!session_.has_target()) return std::optional<std::uint64_t>{};
    const Machine& machine = session_.kernel().machine();
    if (lower == "$pagesize") return std::optional(std::uint64_t{machine.page_size});
    if (lower == "$proc") return some(session_.current_process());
    if (lower == "$thread") return some(session_.current_thread());
    if (auto number = breakpoint_number(lower)) {
        const control::Breakpoint* breakpoint = session_.controller().breakpoints().find(*number);
        return std::optional(breakpoint && breakpoint->address ? breakpoint->address->value : 0);
    }
    if (auto source = sources_.find(lower); source != sources_.end()) return some(source->second(session_));
    bool ip = lower == "$ip" || lower == "$eventip" || lower == "$scopeip";
    bool result = lower == "$retreg" || lower == "$retreg64";
    if (!ip && !result && lower != "$csp") return std::optional<std::uint64_t>{};
    POOLKD_TRY(RegisterFile registers, session_.registers());
    if (ip) return std::optional(registers.ip().value);
    if (lower == "$csp") return std::optional(registers.sp().value);
    auto value = registers.get(machine.pointer_size == 8 ? "rax" : "eax");
    if (!value) return std::optional<std::uint64_t>{};
    if (lower == "$retreg64" && machine.pointer_size == 4)
        return std::optional(registers.get("edx").value_or(0) << 32 | *value);
    return std::optional(*value);
}

Result<std::uint64_t> SessionExpressions::read(VirtAddr address, unsigned size) {
    if (!session_.has_target()) return fail_at(address, ErrorKind::unreadable, "There is no target");
    return memory::read_unsigned(session_.memory(), address, size);
}

Result<std::uint64_t> SessionExpressions::read_physical(PhysAddr address, unsigned size) {
    if (!session_.has_target()) return fail(ErrorKind::unreadable, "There is no target");
    std::byte bytes[8] = {};
    memory::ReadResult read = session_.target().physical().read(address, MutableBytes(bytes, size));
    if (read.gap == GapReason::link_lost) return fail(ErrorKind::link, "The link to the target is lost");
    if (read.bytes != size) return fail(ErrorKind::unreadable, "Physical memory at {:x} cannot be read", address.value);
    return *load_unsigned(bytes, 0, size);
}

Result<std::vector<NamedAddress>> SessionExpressions::symbols(std::string_view name) {
    std::vector<NamedAddress> found;
    if (!session_.has_target()) return found;
    nt::Modules& modules = session_.kernel().modules();
    // A module alone is its base; looked for first, so that "nt" does not load every module's symbols.
    if (nt::Module* module = modules.find(name); module && name.find('!') == std::string_view::npos) {
        found.push_back({module->name, module->base});
        return found;
    }
    for (const auto& match : modules.find_symbol(name))
        found.push_back({match.text(), match.address()});
    return found;
}

bool SessionExpressions::set_user_register(std::string_view name, std::uint64_t value) {
    auto index = user_register_index(to_lower(name));
    if (!index) return false;
    user_[*index] = value;
    return true;
}

} // namespace poolkd::debugger
