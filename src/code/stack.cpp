#include "code/stack.h"

#include "base/text.h"
#include "code/unwinder.h"

namespace poolkd::code {

namespace {

constexpr int max_stack_switches = 32; // moves of the stack pointer downwards: to another stack

class Walker {
  public:
    Walker(nt::Kernel& kernel, const Machine& machine, const WalkOptions& options, Work* work)
        : kernel_(kernel), machine_(machine), options_(options),
          stack_(kernel.memory(), machine, work, options.first_bytes),
          unwinder_(make_unwinder({kernel, stack_, answer_.coverage, work}, machine)) {
        answer_.value.machine = &machine;
    }

    Answer<StackTrace> run(GeneralRegisters registers) {
        if (!unwinder_)
            return finish_with(
                Error{ErrorKind::unsupported, fmt::format("Stacks of {} cannot be followed", machine_.name), {}});
        bool interrupted = true;
        int switches = 0;
        while (true) {
            if (answer_.value.frames.size() >= options_.max_frames) return finish(StackEnd::limit);
            Frame frame;
            frame.ip = registers.ip();
            frame.sp = registers.sp();
            frame.base = registers.address_in(rbp);
            frame.registers = registers;
            frame.interrupted = interrupted;
            if (frame.ip < first_system_address && !kernel_.modules().containing(frame.ip)) {
                answer_.value.frames.push_back(frame);
                return finish(StackEnd::user_mode);
            }
            auto caller = unwinder_->caller_of(frame);
            if (!caller) {
                answer_.value.frames.push_back(frame);
                return finish_with(caller.error());
            }
            frame.method = caller->method;
            frame.machine_frame = caller->machine_frame;
            frame.base = caller->arguments - 2 * stack_.word_bytes();
            frame.return_address = caller->registers.ip();
            if (options_.arguments) frame.arguments = stack_.words(caller->arguments, shown_arguments(machine_));
            answer_.value.frames.push_back(frame);
            if (!frame.return_address) return finish(StackEnd::complete);
            VirtAddr next = caller->registers.sp();
            if (next <= frame.sp && (next == frame.sp || ++switches > max_stack_switches))
                return finish_with(Error{ErrorKind::malformed, "The stack goes round in a circle", frame.sp});
            registers = caller->registers;
            interrupted = caller->machine_frame.has_value();
        }
    }

  private:
    Answer<StackTrace> finish(StackEnd end) {
        answer_.value.end = end;
        answer_.value.asked_until = stack_.asked_until();
        answer_.coverage.add_read(stack_.bytes_read());
        return std::move(answer_);
    }

    Answer<StackTrace> finish_with(const Error& error) {
        VirtAddr where = error.where.value_or(VirtAddr());
        GapReason reason = GapReason::malformed;
        StackEnd end = StackEnd::implausible;
        if (error.kind == ErrorKind::unreadable || error.kind == ErrorKind::link || error.kind == ErrorKind::stopped) {
            end = StackEnd::unreadable;
            reason = error.kind == ErrorKind::link      ? GapReason::link_lost
                     : error.kind == ErrorKind::stopped ? GapReason::stopped
                                                        : GapReason::unmapped;
        }
        answer_.coverage.add_gap(reason, where, stack_.word_bytes());
        answer_.value.note = error.message;
        return finish(end);
    }

    nt::Kernel& kernel_;
    const Machine& machine_;
    const WalkOptions& options_;
    StackReader stack_;
    Answer<StackTrace> answer_;
    std::unique_ptr<Unwinder> unwinder_;
};

} // namespace

std::size_t shown_arguments(const Machine& machine) {
    return machine.pointer_size == 8 ? 4 : 3;
}

Answer<StackTrace> walk_stack(nt::Kernel& kernel, const RegisterFile& start, const WalkOptions& options, Work* work) {
    const Machine& machine = start.valid() ? start.machine() : kernel.machine();
    GeneralRegisters registers;
    registers.machine = &machine;
    if (start.valid()) registers = GeneralRegisters::from(start);
    return Walker(kernel, machine, options, work).run(registers);
}

} // namespace poolkd::code
