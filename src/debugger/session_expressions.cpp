#include "debugger/session_expressions.h"

#include "base/text.h"
#include "debugger/pseudo_registers.h"
#include "debugger/session.h"
#include "debugger/times.h"

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

} // namespace

unsigned SessionExpressions::pointer_size() const {
    return session_.pointer_size();
}

Result<std::optional<RegisterValue>> SessionExpressions::machine_register(std::string_view name) {
    if (!session_.has_target()) return std::optional<RegisterValue>{};
    std::string lower = to_lower(name);
    const Machine& machine = session_.kernel().machine();
    if (const RegisterSlot* special = machine.find_special(lower)) {
        POOLKD_TRY(std::uint64_t value, session_.special_register(*special));
        return std::optional(RegisterValue{value, special->size * 8u});
    }
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
    if (lower == "$dbgtime") return filetime_now();
    if (lower == "$callret" || lower == "$frame") return 0; // there is no .call, and no .frame
    if (lower == "$ptrsize") return std::optional(std::uint64_t{pointer_size()});
    if (!session_.has_target()) return std::optional<std::uint64_t>{};
    if (auto source = sources_.find(lower); source != sources_.end()) {
        POOLKD_TRY(std::uint64_t value, source->second(session_));
        return value;
    }
    return automatic_register(session_, lower);
}

Result<std::uint64_t> SessionExpressions::read(VirtAddr address, unsigned size) {
    if (!session_.has_target()) return fail_at(address, ErrorKind::unreadable, "There is no target");
    return memory::read_unsigned(session_.memory(), session_.kernel().machine().canonical(address.value), size);
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
