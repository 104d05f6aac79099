#include "debugger/pseudo_registers.h"

#include "base/text.h"
#include "code/decoder.h"
#include "code/effective_address.h"
#include "debugger/session.h"
#include "nt/bug_check.h"

#include <array>

namespace poolkd::debugger {

namespace {

using Value = Result<std::optional<std::uint64_t>>;

/// The decimal number behind `prefix`: 3 for "$bp3". Nothing for other names.
std::optional<std::uint32_t> numbered(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    return decimal_number(name.substr(prefix.size()));
}

/// The exception the target stands in; null when it stands for another reason.
const target::ExceptionStop* current_exception(Session& session) {
    target::RunControl* run = session.target().run_control();
    if (!run || run->running()) return nullptr;
    return std::get_if<target::ExceptionStop>(&run->last_stop().reason);
}

Value instruction_pointer(Session& session) {
    POOLKD_TRY(RegisterFile registers, session.registers());
    return registers.ip().value;
}

Value stack_pointer(Session& session) {
    POOLKD_TRY(RegisterFile registers, session.registers());
    return registers.sp().value;
}

Value returned(Session& session) {
    POOLKD_TRY(RegisterFile registers, session.registers());
    return registers.get(session.kernel().machine().result);
}

/// Of 64 bits: on x86 edx holds the upper half.
Value returned_wide(Session& session) {
    POOLKD_TRY(std::optional<std::uint64_t> low, returned(session));
    if (!low || session.pointer_size() == 8) return low;
    POOLKD_TRY(RegisterFile registers, session.registers());
    return registers.get("edx").value_or(0) << 32 | (*low & 0xffffffff);
}

Value process(Session& session) {
    POOLKD_TRY(VirtAddr address, session.current_process());
    return address.value;
}

Value thread(Session& session) {
    POOLKD_TRY(VirtAddr address, session.current_thread());
    return address.value;
}

Value process_block(Session& session) {
    POOLKD_TRY(VirtAddr address, session.current_process());
    return session.kernel().read_field("_EPROCESS", address, "Peb");
}

Value thread_block(Session& session) {
    POOLKD_TRY(VirtAddr address, session.current_thread());
    return session.kernel().read_field("_KTHREAD", address, "Teb");
}

/// Of the thread's _CLIENT_ID.
Value client_id(Session& session, std::string_view member) {
    POOLKD_TRY(VirtAddr address, session.current_thread());
    POOLKD_TRY(const nt::Layout* layout, session.kernel().layout("_ETHREAD"));
    POOLKD_TRY(std::uint32_t offset, layout->offset("Cid"));
    return session.kernel().read_field("_CLIENT_ID", address + offset, member);
}

Value operand_address(Session& session) {
    POOLKD_TRY(RegisterFile registers, session.registers());
    std::array<std::byte, 15> bytes{};
    const memory::ReadResult read = session.memory().read(registers.ip(), bytes);
    auto instruction = code::decode(session.kernel().machine(), Bytes(bytes).first(read.bytes), registers.ip());
    if (!instruction) return std::nullopt;
    auto address = code::effective_address(*instruction, registers);
    return address ? std::optional(address->value) : std::nullopt;
}

Value exception_value(Session& session, std::uint64_t (*of)(const target::ExceptionStop&)) {
    const target::ExceptionStop* exception = current_exception(session);
    return exception ? of(*exception) : 0;
}

struct Automatic {
    std::string_view name;
    Value (*value)(Session&);
};

constexpr Automatic automatic[] = {
    {"$ip", instruction_pointer},
    {"$eventip", [](Session& s) -> Value { return s.event_ip().value; }},
    {"$previp", [](Session& s) -> Value { return s.previous_event_ip().value; }},
    {"$scopeip", instruction_pointer},
    {"$csp", stack_pointer},
    {"$retreg", returned},
    {"$retreg64", returned_wide},
    {"$proc", process},
    {"$thread", thread},
    {"$peb", process_block},
    {"$teb", thread_block},
    {"$tid", [](Session& s) { return client_id(s, "UniqueThread"); }},
    {"$tpid", [](Session& s) { return client_id(s, "UniqueProcess"); }},
    {"$ea", operand_address},
    {"$cpu", [](Session& s) -> Value { return s.processor(); }}, // poolkd's own: kd has it in the prompt alone
    {"$pagesize", [](Session& s) -> Value { return s.kernel().machine().page_size; }},
    {"$bug_code", [](Session& s) -> Value { return nt::read_bug_check(s.kernel()).value_or(nt::BugCheck{}).code; }},
    {"$exr_code", [](Session& s) { return exception_value(s, [](const auto& e) -> std::uint64_t { return e.code; }); }},
    {"$exr_chance",
     [](Session& s) {
         return exception_value(s, [](const auto& e) -> std::uint64_t { return e.first_chance ? 1 : 0; });
     }},
    {"$exr_numparams",
     [](Session& s) { return exception_value(s, [](const auto& e) -> std::uint64_t { return e.parameters.size(); }); }},
};

} // namespace

Result<std::optional<std::uint64_t>> automatic_register(Session& session, std::string_view lower) {
    for (const Automatic& one : automatic)
        if (one.name == lower) return one.value(session);
    if (auto number = numbered(lower, "$bp")) {
        const control::Breakpoint* breakpoint = session.controller().breakpoints().find(*number);
        return breakpoint && breakpoint->address ? breakpoint->address->value : 0;
    }
    if (auto number = numbered(lower, "$bug_param"); number && *number >= 1 && *number <= 4)
        return nt::read_bug_check(session.kernel()).value_or(nt::BugCheck{}).parameters[*number - 1];
    if (auto number = numbered(lower, "$exr_param"); number && *number < 15) {
        const target::ExceptionStop* exception = current_exception(session);
        return exception && *number < exception->parameters.size() ? exception->parameters[*number] : 0;
    }
    return std::nullopt;
}

} // namespace poolkd::debugger
