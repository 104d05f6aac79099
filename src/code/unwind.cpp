#include "code/unwind.h"

namespace poolkd::code {

namespace {

constexpr std::uint64_t word_bytes = 8;

Result<void> pop_return_address(X64Registers& registers, StackReader& stack) {
    POOLKD_TRY(registers.rip, stack.word(registers.sp()));
    registers.gpr[rsp] += word_bytes;
    return {};
}

Result<void> pop(X64Registers& registers, std::uint8_t reg, StackReader& stack) {
    POOLKD_TRY(std::uint64_t value, stack.word(registers.sp()));
    registers.gpr[rsp] += word_bytes;
    registers.set(reg, value);
    return {};
}

Result<CallerState> run_epilog(const std::vector<EpilogStep>& steps, X64Registers registers, StackReader& stack) {
    for (const EpilogStep& step : steps) {
        switch (step.kind) {
        case EpilogStep::Kind::add: registers.gpr[rsp] += static_cast<std::uint64_t>(step.value); break;
        case EpilogStep::Kind::lea:
            registers.gpr[rsp] = registers.gpr[step.reg] + static_cast<std::uint64_t>(step.value);
            break;
        case EpilogStep::Kind::pop: POOLKD_CHECK(pop(registers, step.reg, stack)); break;
        }
    }
    POOLKD_CHECK(pop_return_address(registers, stack));
    registers.forget_volatile();
    return CallerState{registers, UnwindMethod::epilog, std::nullopt};
}

Result<CallerState> leave_machine_frame(X64Registers registers, bool error_code, StackReader& stack) {
    VirtAddr frame = registers.sp() + (error_code ? word_bytes : 0);
    POOLKD_TRY(registers.rip, stack.word(frame));
    POOLKD_TRY(registers.gpr[rsp], stack.word(frame + 3 * word_bytes));
    registers.forget_volatile();
    return CallerState{registers, UnwindMethod::machine_frame, frame};
}

/// What the frame register makes of the stack pointer: offsets of saved registers count from here.
std::uint64_t frame_base(const UnwindInfo& info, const X64Registers& registers, std::uint32_t offset) {
    if (info.frame_register == 0) return registers.gpr[rsp];
    bool established = offset >= info.prolog_size || info.chained.has_value();
    for (const UnwindCode& code : info.codes)
        if (code.op == UnwindOp::set_fpreg && code.prolog_offset <= offset) established = true;
    return established ? registers.gpr[info.frame_register] - info.frame_offset : registers.gpr[rsp];
}

} // namespace

std::string_view to_words(UnwindMethod method) {
    switch (method) {
    case UnwindMethod::none: return "none";
    case UnwindMethod::unwind_info: return "unwind info";
    case UnwindMethod::epilog: return "epilog";
    case UnwindMethod::leaf: return "leaf";
    case UnwindMethod::machine_frame: return "machine frame";
    case UnwindMethod::scan: return "scan";
    }
    return "none";
}

Result<CallerState> unwind_function(const UnwindTables& tables, const RuntimeFunction& function,
                                    const X64Registers& start, bool interrupted, StackReader& stack,
                                    const ReadCode& read) {
    POOLKD_TRY(UnwindInfo info, tables.info(function));
    auto offset = static_cast<std::uint32_t>(start.ip() - tables.base() - function.begin);
    if (interrupted && offset >= info.prolog_size)
        if (auto steps = find_epilog(tables, function, info, start.ip(), read)) return run_epilog(*steps, start, stack);

    X64Registers registers = start;
    std::uint64_t frame = frame_base(info, registers, offset);
    for (int depth = 0; depth < UnwindTables::max_chain; ++depth) {
        // A call inside the prolog (to __chkstk) has done what lies before it, too. Records up the chain belong to a
        // prolog that is over.
        bool in_prolog = depth == 0 && offset < info.prolog_size;
        for (const UnwindCode& code : info.codes) {
            if (in_prolog && code.prolog_offset > offset) continue;
            switch (code.op) {
            case UnwindOp::push_nonvol: POOLKD_CHECK(pop(registers, code.info, stack)); break;
            case UnwindOp::alloc_large:
            case UnwindOp::alloc_small: registers.gpr[rsp] += code.operand; break;
            case UnwindOp::set_fpreg:
                registers.gpr[rsp] = registers.gpr[info.frame_register] - info.frame_offset;
                break;
            case UnwindOp::save_nonvol:
            case UnwindOp::save_nonvol_far: {
                POOLKD_TRY(std::uint64_t value, stack.word(VirtAddr(frame + code.operand)));
                registers.set(code.info, value);
                break;
            }
            case UnwindOp::push_machframe: return leave_machine_frame(registers, code.info == 1, stack);
            case UnwindOp::save_xmm128:
            case UnwindOp::save_xmm128_far:
            case UnwindOp::epilog:
            case UnwindOp::spare: break;
            }
        }
        if (!info.chained) {
            POOLKD_CHECK(pop_return_address(registers, stack));
            registers.forget_volatile();
            return CallerState{registers, UnwindMethod::unwind_info, std::nullopt};
        }
        POOLKD_TRY(info, tables.info(*info.chained));
    }
    return fail_at(start.ip(), ErrorKind::malformed, "The chain of unwind records does not end");
}

Result<CallerState> unwind_leaf(const X64Registers& start, StackReader& stack) {
    X64Registers registers = start;
    POOLKD_CHECK(pop_return_address(registers, stack));
    registers.forget_volatile();
    return CallerState{registers, UnwindMethod::leaf, std::nullopt};
}

} // namespace poolkd::code
