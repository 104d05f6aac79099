#include "code/stack.h"

#include "base/text.h"
#include "code/decoder.h"

#include <algorithm>

namespace poolkd::code {

namespace {

constexpr std::uint64_t first_kernel_address = 0x8000'0000'0000'0000;
constexpr int max_stack_switches = 32; // moves of the stack pointer downwards: to another stack
constexpr std::uint64_t scan_bytes = 4096;
constexpr int max_scan_candidates = 64;

class Walker {
  public:
    Walker(nt::Kernel& kernel, const WalkOptions& options, Work* work)
        : kernel_(kernel), options_(options), work_(work), stack_(kernel.memory(), work) {}

    Answer<StackTrace> run(X64Registers registers) {
        bool interrupted = true;
        int switches = 0;
        while (true) {
            if (answer_.value.frames.size() >= options_.max_frames) return finish(StackEnd::limit);
            Frame frame{.ip = registers.ip(),
                        .sp = registers.sp(),
                        .return_address = {},
                        .arguments = {},
                        .registers = registers,
                        .interrupted = interrupted,
                        .method = UnwindMethod::none,
                        .machine_frame = {},
                        .warning = FrameWarning::none};
            if (frame.ip.value < first_kernel_address && !kernel_.modules().containing(frame.ip)) {
                answer_.value.frames.push_back(frame);
                return finish(StackEnd::user_mode);
            }
            auto caller = caller_of(frame);
            if (!caller) {
                answer_.value.frames.push_back(frame);
                return finish_with(caller.error());
            }
            frame.method = caller->method;
            frame.machine_frame = caller->machine_frame;
            frame.return_address = caller->registers.ip();
            if (options_.arguments) frame.arguments = stack_.four_words(caller->registers.sp());
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
        answer_.coverage.add_gap(reason, where, 8);
        answer_.value.note = error.message;
        return finish(end);
    }

    /// Code at a stop comes with the stop itself, without the debugger's breakpoints in it.
    std::size_t read_code(VirtAddr address, MutableBytes out) {
        if (target::RunControl* control = kernel_.target().run_control(); control && !control->running()) {
            const target::Stop& stop = control->last_stop();
            std::uint64_t skip = address - stop.ip;
            if (skip < stop.instruction_stream.size()) {
                std::size_t count = std::min<std::size_t>(out.size(), stop.instruction_stream.size() - skip);
                std::copy_n(stop.instruction_stream.begin() + static_cast<std::ptrdiff_t>(skip), count, out.begin());
                return count;
            }
        }
        return kernel_.memory().read(address, out, work_).bytes;
    }

    Result<CallerState> caller_of(Frame& frame) {
        nt::Module* module = kernel_.modules().containing(frame.ip);
        if (!module) {
            frame.warning = FrameWarning::no_module;
            return guess(frame.registers);
        }
        auto tables = UnwindTables::open(*module->image);
        if (!tables) return without_tables(frame, tables.error());
        auto rva = static_cast<std::uint32_t>(frame.ip - module->base);
        auto function = tables->find(rva);
        // A call that never returns may be the last instruction of its function.
        if (function && !*function && !frame.interrupted && rva != 0) function = tables->find(rva - 1);
        if (!function) return without_tables(frame, function.error());
        ReadCode read = [this](VirtAddr address, MutableBytes out) { return read_code(address, out); };
        if (*function) {
            auto caller = unwind_function(*tables, **function, frame.registers, frame.interrupted, stack_, read);
            if (!caller) frame.warning = FrameWarning::no_unwind_info;
            return caller;
        }
        if (frame.interrupted) return unwind_leaf(frame.registers, stack_);
        frame.warning = FrameWarning::no_unwind_info;
        return guess(frame.registers);
    }

    Result<CallerState> without_tables(Frame& frame, const Error& error) {
        frame.warning = FrameWarning::no_unwind_info;
        if (error.kind != ErrorKind::not_found)
            answer_.coverage.add_gap(error.kind == ErrorKind::unreadable ? GapReason::unmapped : GapReason::malformed,
                                     error.where.value_or(frame.ip), 0);
        return guess(frame.registers);
    }

    /// For code of which nothing is known: a leaf function if that makes sense, else the next word of the stack that
    /// a call can have pushed.
    Result<CallerState> guess(const X64Registers& registers) {
        POOLKD_TRY(CallerState leaf, unwind_leaf(registers, stack_));
        int candidates = 0;
        if (follows_call(leaf.registers.ip(), candidates)) return leaf;
        for (std::uint64_t offset = 8; offset < scan_bytes && candidates < max_scan_candidates; offset += 8) {
            auto word = stack_.word(registers.sp() + offset);
            if (!word) break;
            if (!follows_call(VirtAddr(*word), candidates)) continue;
            CallerState found{registers, UnwindMethod::scan, std::nullopt};
            found.registers.rip = *word;
            found.registers.gpr[rsp] += offset + 8;
            found.registers.known = 1u << rsp;
            return found;
        }
        return fail_at(registers.sp(), ErrorKind::malformed, "No caller can be found on the stack");
    }

    /// True when the instruction before `address` is a call, in a function of a loaded image.
    bool follows_call(VirtAddr address, int& candidates) {
        nt::Module* module = kernel_.modules().containing(address);
        if (!module || ++candidates > max_scan_candidates) return false;
        auto tables = UnwindTables::open(*module->image);
        if (!tables) return false;
        auto function = tables->find(static_cast<std::uint32_t>(address - module->base) - 1);
        if (!function || !*function) return false;
        constexpr std::size_t longest_call = 8, shortest_call = 2;
        std::array<std::byte, longest_call> before{};
        if (kernel_.memory().read(address - longest_call, before, work_).bytes != longest_call) return false;
        for (std::size_t length = shortest_call; length <= longest_call; ++length) {
            auto call = decode_x64(Bytes(before).last(length), address - length);
            if (call && call->kind == InstructionKind::call && call->length == length) return true;
        }
        return false;
    }

    nt::Kernel& kernel_;
    const WalkOptions& options_;
    Work* work_;
    StackReader stack_;
    Answer<StackTrace> answer_;
};

} // namespace

Answer<StackTrace> walk_stack(nt::Kernel& kernel, const RegisterFile& start, const WalkOptions& options, Work* work) {
    if (!start.valid() || start.machine().image_machine != x64_machine().image_machine) {
        Answer<StackTrace> none;
        none.value.end = StackEnd::implausible;
        none.value.note = "Stacks can be followed on x64 only";
        none.coverage.add_gap(GapReason::malformed, VirtAddr(), 0);
        return none;
    }
    return Walker(kernel, options, work).run(X64Registers::from(start));
}

} // namespace poolkd::code
