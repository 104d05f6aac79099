#include "code/call_sites.h"
#include "code/unwind_x64.h"
#include "code/unwinder.h"

namespace poolkd::code {

namespace {

constexpr std::uint64_t guessed_bytes = 4096;
constexpr int max_guesses = 64;

/// By the unwind tables of the loaded images. Reads code only where version 1 tables do not tell whether it is an
/// epilog.
class UnwinderX64 final : public Unwinder {
  public:
    explicit UnwinderX64(const UnwindEvidence& evidence) : with_(evidence), calls_(evidence.kernel, evidence.work) {}

    Result<CallerState> caller_of(Frame& frame) override {
        nt::Module* module = with_.kernel.modules().containing(frame.ip);
        if (!module) {
            frame.warning = FrameWarning::no_module;
            return guess(frame.registers);
        }
        auto tables = tables_of(*module);
        if (!tables) return without_tables(frame, tables.error());
        auto rva = static_cast<std::uint32_t>(frame.ip - module->base);
        auto function = tables->find(rva);
        // A call that never returns may be the last instruction of its function.
        if (function && !*function && !frame.interrupted && rva != 0) function = tables->find(rva - 1);
        if (!function) return without_tables(frame, function.error());
        ReadCode read = [this](VirtAddr address, MutableBytes out) { return calls_.read(address, out); };
        if (*function) {
            auto caller = unwind_function(*tables, **function, frame.registers, frame.interrupted, with_.stack, read);
            if (!caller) frame.warning = FrameWarning::no_unwind_info;
            return caller;
        }
        if (frame.interrupted) return unwind_leaf(frame.registers, with_.stack);
        frame.warning = FrameWarning::no_unwind_info;
        return guess(frame.registers);
    }

  private:
    /// What memory lacks of them the image's file has: where that is, is known once the symbols were looked for.
    Result<UnwindTables> tables_of(nt::Module& module) {
        auto tables = UnwindTables::open(*module.image);
        if (tables || tables.error().kind != ErrorKind::unreadable) return tables;
        (void)with_.kernel.modules().symbols(module);
        return UnwindTables::open(*module.image);
    }

    Result<CallerState> without_tables(Frame& frame, const Error& error) {
        frame.warning = FrameWarning::no_unwind_info;
        if (error.kind != ErrorKind::not_found)
            with_.coverage.add_gap(error.kind == ErrorKind::unreadable ? GapReason::unmapped : GapReason::malformed,
                                   error.where.value_or(frame.ip), 0);
        return guess(frame.registers);
    }

    /// For code of which nothing is known: a leaf function if that makes sense, else the next word of the stack that
    /// a call can have pushed.
    Result<CallerState> guess(const GeneralRegisters& registers) {
        POOLKD_TRY(CallerState leaf, unwind_leaf(registers, with_.stack));
        int candidates = 0;
        if (follows_call(leaf.registers.ip(), candidates)) return leaf;
        for (std::uint64_t offset = 8; offset < guessed_bytes && candidates < max_guesses; offset += 8) {
            auto word = with_.stack.word(registers.sp() + offset);
            if (!word) break;
            if (!follows_call(VirtAddr(*word), candidates)) continue;
            CallerState found{registers, UnwindMethod::scan, registers.sp() + offset + 8, std::nullopt};
            found.registers.pc = *word;
            found.registers.gpr[rsp] += offset + 8;
            found.registers.known = 1u << rsp;
            return found;
        }
        return fail_at(registers.sp(), ErrorKind::malformed, "No caller can be found on the stack");
    }

    /// True when the instruction before `address` is a call, in a function of a loaded image.
    bool follows_call(VirtAddr address, int& candidates) {
        nt::Module* module = with_.kernel.modules().containing(address);
        if (!module || ++candidates > max_guesses) return false;
        auto tables = tables_of(*module);
        if (!tables) return false;
        auto function = tables->find(static_cast<std::uint32_t>(address - module->base) - 1);
        return function && *function && calls_.before(address).likely();
    }

    UnwindEvidence with_;
    CallSites calls_;
};

} // namespace

std::unique_ptr<Unwinder> make_unwinder_x64(const UnwindEvidence& evidence) {
    return std::make_unique<UnwinderX64>(evidence);
}

} // namespace poolkd::code
