#include "code/unwind_x64.h"

namespace poolkd::code {

namespace {

constexpr std::uint64_t word_bytes = 8;

Result<void> pop_return_address(GeneralRegisters& registers, StackReader& stack) {
    POOLKD_TRY(registers.pc, stack.word(registers.sp()));
    registers.gpr[rsp] += word_bytes;
    return {};
}

Result<void> pop(GeneralRegisters& registers, std::uint8_t reg, StackReader& stack) {
    POOLKD_TRY(std::uint64_t value, stack.word(registers.sp()));
    registers.gpr[rsp] += word_bytes;
    registers.set(reg, value);
    return {};
}

Result<CallerState> run_epilog(const std::vector<EpilogStep>& steps, GeneralRegisters registers, StackReader& stack) {
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
    return CallerState{registers, UnwindMethod::epilog, registers.sp(), std::nullopt};
}

Result<CallerState> leave_machine_frame(GeneralRegisters registers, bool error_code, StackReader& stack) {
    VirtAddr frame = registers.sp() + (error_code ? word_bytes : 0);
    POOLKD_TRY(registers.pc, stack.word(frame));
    POOLKD_TRY(registers.gpr[rsp], stack.word(frame + 3 * word_bytes));
    registers.forget_volatile();
    return CallerState{registers, UnwindMethod::machine_frame, registers.sp(), frame};
}

/// What the frame register makes of the stack pointer: offsets of saved registers count from here.
std::uint64_t frame_base(const UnwindInfo& info, const GeneralRegisters& registers, std::uint32_t offset) {
    if (info.frame_register == 0) return registers.gpr[rsp];
    bool established = offset >= info.prolog_size || info.chained.has_value();
    for (const UnwindCode& code : info.codes)
        if (code.op == UnwindOp::set_fpreg && code.prolog_offset <= offset) established = true;
    return established ? registers.gpr[info.frame_register] - info.frame_offset : registers.gpr[rsp];
}

} // namespace

Result<CallerState> unwind_function(const UnwindTables& tables, const RuntimeFunction& function,
                                    const GeneralRegisters& start, bool interrupted, StackReader& stack,
                                    const ReadCode& read) {
    POOLKD_TRY(UnwindInfo info, tables.info(function));
    auto offset = static_cast<std::uint32_t>(start.ip() - tables.base() - function.begin);
    if (interrupted && offset >= info.prolog_size)
        if (auto steps = find_epilog(tables, function, info, start.ip(), read)) return run_epilog(*steps, start, stack);

    GeneralRegisters registers = start;
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
            return CallerState{registers, UnwindMethod::unwind_info, registers.sp(), std::nullopt};
        }
        POOLKD_TRY(info, tables.info(*info.chained));
    }
    return fail_at(start.ip(), ErrorKind::malformed, "The chain of unwind records does not end");
}

Result<CallerState> unwind_leaf(const GeneralRegisters& start, StackReader& stack) {
    GeneralRegisters registers = start;
    POOLKD_CHECK(pop_return_address(registers, stack));
    registers.forget_volatile();
    return CallerState{registers, UnwindMethod::leaf, registers.sp(), std::nullopt};
}

} // namespace poolkd::code
