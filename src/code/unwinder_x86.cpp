#include "code/call_sites.h"
#include "code/frame_program.h"
#include "code/straight_line.h"
#include "code/unwinder.h"

#include <algorithm>
#include <array>
#include <utility>

namespace poolkd::code {

namespace {

using symbols::FrameRecord;

constexpr std::uint64_t word = 4;
constexpr std::uint64_t max_frame_bytes = 1u << 16; // beyond, ebp points to no frame of this stack
constexpr int search_words = 32;                    // from where a record says the return address is
constexpr int scan_words = 1024;
constexpr int max_scan_candidates = 64;
/// What trap handlers write where a debugger would look for arguments (KTRAP_FRAME.DbgArgMark): "bad bodoo".
constexpr std::uint32_t trap_frame_mark = 0xbadb0d00;

/// Members of KTRAP_FRAME: fixed in every x86 kernel, since the trap handlers are written around them.
struct TrapFrameMember {
    std::string_view name;
    std::uint32_t usual_offset;
};
constexpr TrapFrameMember trap_eip{"Eip", 0x68}, trap_cs{"SegCs", 0x6c}, trap_flags{"EFlags", 0x70},
    trap_esp{"HardwareEsp", 0x74}, trap_edited_esp{"TempEsp", 0x14};
constexpr std::pair<Gpr, TrapFrameMember> trap_registers[] = {
    {rax, {"Eax", 0x44}}, {rcx, {"Ecx", 0x40}}, {rdx, {"Edx", 0x3c}}, {rbx, {"Ebx", 0x5c}},
    {rbp, {"Ebp", 0x60}}, {rsi, {"Esi", 0x58}}, {rdi, {"Edi", 0x54}},
};

/// What the symbols know of the function of a frame.
struct Function {
    nt::Module* module = nullptr;
    symbols::ModuleSymbols* symbols = nullptr;
    std::optional<VirtAddr> start;
    std::optional<FrameRecord> record;
    std::uint32_t argument_bytes = 0; ///< on the stack

    /// Export tables tell names, not how functions use the stack.
    [[nodiscard]] bool has_symbols() const { return symbols && symbols->provenance() != symbols::Provenance::exports; }
};

/// x86 has no unwind tables. In this order: the code itself where it runs straight to where we are or to its return;
/// the frame record of the symbols; ebp; and the stack's words, told as a guess.
class UnwinderX86 final : public Unwinder {
  public:
    explicit UnwinderX86(const UnwindEvidence& evidence) : with_(evidence), calls_(evidence.kernel, evidence.work) {}

    Result<CallerState> caller_of(Frame& frame) override {
        // What the caller pushed for the function that we come from still lies on the stack.
        const std::uint32_t pushed = std::exchange(callee_arguments_, 0);
        const Function function = function_at(frame);
        frame.record = function.record;
        if (!function.module) frame.warning = FrameWarning::no_module;
        auto caller = find_caller(frame, function, frame.interrupted ? 0 : pushed);
        if (caller && !caller->machine_frame) callee_arguments_ = function.argument_bytes;
        return caller;
    }

  private:
    Function function_at(const Frame& frame) {
        Function function;
        function.module = with_.kernel.modules().containing(frame.ip);
        if (!function.module) return function;
        function.symbols = with_.kernel.modules().symbols(*function.module);
        if (!function.symbols) return function;
        auto rva = static_cast<std::uint32_t>(frame.ip - function.module->base);
        // A call that never returns may be the last instruction of its function.
        if (!frame.interrupted && rva != 0) --rva;
        if (auto symbol = function.symbols->nearest(rva); symbol && symbol->is_code) {
            function.start = function.module->base + symbol->rva;
            function.argument_bytes = symbol->argument_bytes.value_or(0);
        }
        function.record = function.symbols->frame(rva);
        if (function.record && function.record->parameters != 0) function.argument_bytes = function.record->parameters;
        return function;
    }

    Result<CallerState> find_caller(Frame& frame, const Function& function, std::uint32_t pushed) {
        if (frame.interrupted)
            if (auto caller = by_code(frame, function)) return *caller;
        if (function.record) {
            auto caller = by_record(frame, function, pushed);
            if (caller) return caller;
            // Memory that cannot be read is the answer; a record that leads nowhere leaves the other ways.
            if (caller.error().kind != ErrorKind::malformed) return caller;
        } else {
            if (auto caller = by_trap_frame(frame, true)) return *caller;
            if (auto caller = outermost(frame)) return *caller;
            if (function.has_symbols() && sets_ebp(function))
                if (auto caller = by_ebp(frame)) return *caller;
        }
        if (frame.warning == FrameWarning::none) frame.warning = FrameWarning::no_unwind_info;
        if (!function.has_symbols())
            if (auto caller = by_ebp(frame)) return *caller;
        return scan(frame, function, pushed);
    }

    /// A caller whose return address lies at `slot`; nothing else has changed since the call.
    Result<CallerState> caller_at(VirtAddr slot, GeneralRegisters registers, UnwindMethod method) {
        POOLKD_TRY(registers.pc, with_.stack.word(slot));
        registers.gpr[rsp] = (slot + word).value & 0xffffffff;
        registers.forget_volatile();
        return CallerState{registers, method, slot + word, std::nullopt};
    }

    /// The outermost function has none; everything else returns to code.
    bool is_return_address(std::uint64_t value, bool look_at_code) {
        if (value == 0) return true;
        const VirtAddr address = x86_machine().canonical(value);
        if (!with_.kernel.modules().containing(address)) return false;
        return !look_at_code || calls_.before(address).kind != CallBefore::none;
    }

    // --- the code itself ----------------------------------------------------------------------------------------
    /// Exact where it works, whatever the symbols say: prologs and epilogs are what records know least of.
    std::optional<CallerState> by_code(const Frame& frame, const Function& function) {
        ReadCode read = [this](VirtAddr address, MutableBytes out) { return calls_.read(address, out); };
        if (function.start && *function.start <= frame.ip)
            if (auto moves = moves_of_prolog(*function.start, frame.ip, read))
                if (auto caller = moved(frame, frame.sp + static_cast<std::uint64_t>(-moves->esp), moves->saved,
                                        UnwindMethod::prolog))
                    return caller;
        const auto ebp_from_esp = static_cast<std::int64_t>(frame.registers.address_in(rbp) - frame.sp);
        if (auto moves = moves_to_return(frame.ip, ebp_from_esp, read)) {
            VirtAddr slot = frame.sp + static_cast<std::uint64_t>(moves->esp);
            // Offsets count from esp here, from the return address in a prolog.
            std::array<std::optional<std::int64_t>, 8> loaded = moves->loaded;
            for (auto& offset : loaded)
                if (offset) *offset -= moves->esp;
            return moved(frame, slot, loaded, UnwindMethod::epilog);
        }
        return std::nullopt;
    }

    /// The caller with its return address at `slot` and registers taken from offsets from there.
    std::optional<CallerState> moved(const Frame& frame, VirtAddr slot,
                                     const std::array<std::optional<std::int64_t>, 8>& from, UnwindMethod method) {
        GeneralRegisters registers = frame.registers;
        for (std::size_t reg = 0; reg < from.size(); ++reg) {
            if (!from[reg] || reg == rsp) continue;
            VirtAddr at = slot + static_cast<std::uint64_t>(*from[reg]);
            auto value = at < frame.sp ? Result<std::uint64_t>(0) : with_.stack.word(at);
            if (!value || at < frame.sp) return std::nullopt; // the code would write it first
            registers.set(reg, *value);
        }
        auto caller = caller_at(slot, registers, method);
        if (!caller || !is_return_address(caller->registers.pc, false)) return std::nullopt;
        return *caller;
    }

    // --- what the symbols say -----------------------------------------------------------------------------------
    Result<CallerState> by_record(const Frame& frame, const Function& function, std::uint32_t pushed) {
        const FrameRecord& record = *function.record;
        switch (record.kind) {
        case FrameRecord::Kind::program: return by_program(frame, record, pushed);
        case FrameRecord::Kind::fpo: return by_fpo(frame, function, pushed);
        case FrameRecord::Kind::trap:
            if (auto caller = by_trap_frame(frame, false)) return *caller;
            break;
        case FrameRecord::Kind::frame_pointer:
            if (auto caller = by_trap_frame(frame, true)) return *caller;
            if (auto caller = by_ebp(frame)) return *caller;
            break;
        case FrameRecord::Kind::task:
            return fail_at(
                frame.sp, ErrorKind::unsupported,
                "The function was entered through a task gate; the interrupted stack is in the previous TSS");
        }
        return fail_at(frame.sp, ErrorKind::malformed, "The frame record does not fit the stack");
    }

    /// Where the return address lies when the frame is as large as the record says; words that the function pushed for
    /// a call that it had not made yet are passed over.
    Result<VirtAddr> return_slot(const Frame& frame, const FrameRecord& record, std::uint32_t pushed) {
        if (record.locals > max_frame_bytes || record.saved_registers > max_frame_bytes)
            return fail_at(frame.sp, ErrorKind::malformed, "The frame record does not fit the stack");
        const VirtAddr first = frame.sp + pushed + record.locals + record.saved_registers;
        POOLKD_TRY(std::uint64_t expected, with_.stack.word(first));
        if (!frame.interrupted && is_return_address(expected, false)) return first;
        for (int i = 0; i < search_words; ++i) {
            const VirtAddr slot = first + static_cast<std::uint64_t>(i) * word;
            auto value = with_.stack.word(slot);
            if (!value) break;
            if (calls_.before(x86_machine().canonical(*value)).likely()) return slot;
        }
        if (is_return_address(expected, false)) return first; // the outermost function, or code that cannot be read
        return fail_at(first, ErrorKind::malformed, "No return address lies where the frame record says");
    }

    Result<CallerState> by_program(const Frame& frame, const FrameRecord& record, std::uint32_t pushed) {
        FrameProgramInput input{.return_slot = 0,
                                .parameters = record.parameters,
                                .callee_parameters = pushed,
                                .locals = record.locals,
                                .saved_registers = record.saved_registers};
        if (record.program.find(".raSearch") != std::string::npos) {
            POOLKD_TRY(VirtAddr slot, return_slot(frame, record, pushed));
            input.return_slot = static_cast<std::uint32_t>(slot.value);
        }
        POOLKD_TRY(GeneralRegisters registers, run_frame_program(record.program, frame.registers, input, with_.stack));
        if (!is_return_address(registers.pc, false))
            return fail_at(frame.sp, ErrorKind::malformed, "The frame program does not lead to code");
        return CallerState{registers, UnwindMethod::frame_record, registers.sp(), std::nullopt};
    }

    /// The record tells that ebp was saved, not where. Mostly it is pushed first.
    std::uint64_t saved_ebp(const Function& function) {
        ReadCode read = [this](VirtAddr address, MutableBytes out) { return calls_.read(address, out); };
        const auto place = function.start ? place_of_saved_ebp(*function.start, read) : std::nullopt;
        return static_cast<std::uint64_t>(place.value_or(-static_cast<std::int64_t>(word)));
    }

    Result<CallerState> by_fpo(const Frame& frame, const Function& function, std::uint32_t pushed) {
        const FrameRecord& record = *function.record;
        POOLKD_TRY(VirtAddr slot, return_slot(frame, record, pushed));
        GeneralRegisters registers = frame.registers;
        if (record.uses_frame_pointer) {
            POOLKD_TRY(std::uint64_t ebp, with_.stack.word(slot + saved_ebp(function)));
            registers.set(rbp, ebp);
        }
        return caller_at(slot, registers, UnwindMethod::frame_record);
    }

    // --- traps --------------------------------------------------------------------------------------------------
    std::uint32_t trap_offset(const TrapFrameMember& member) {
        auto layout = with_.kernel.layout("_KTRAP_FRAME");
        return layout ? (*layout)->offset(member.name).value_or(member.usual_offset) : member.usual_offset;
    }

    /// A trap handler keeps its KTRAP_FRAME at ebp. `marked`: it must bear the mark that says so.
    std::optional<CallerState> by_trap_frame(const Frame& frame, bool marked) {
        const VirtAddr at = frame.registers.address_in(rbp);
        if (at < frame.sp || at - frame.sp > max_frame_bytes) return std::nullopt;
        auto mark = with_.stack.word(at + 2 * word);
        if (!mark || (marked && *mark != trap_frame_mark)) return std::nullopt;
        auto member = [&](const TrapFrameMember& which) {
            return with_.stack.word(at + trap_offset(which)).value_or(0);
        };
        CallerState caller;
        caller.registers.machine = &x86_machine();
        for (const auto& [reg, which] : trap_registers)
            caller.registers.set(reg, member(which));
        caller.registers.pc = member(trap_eip);
        caller.registers.gpr[rsp] = interrupted_esp(at, member(trap_cs), member(trap_flags));
        caller.method = UnwindMethod::machine_frame;
        caller.arguments = at + 2 * word;
        caller.machine_frame = at + trap_offset(trap_eip);
        const VirtAddr ip = caller.registers.ip();
        if (ip >= first_system_address && !with_.kernel.modules().containing(ip)) return std::nullopt;
        return caller;
    }

    /// The processor pushes esp only when it comes from user mode (or from V86 mode); else the interrupted stack begins
    /// right above what it pushed, unless the kernel changed it and said so by a cs of zero.
    std::uint64_t interrupted_esp(VirtAddr frame, std::uint64_t cs, std::uint64_t flags) {
        constexpr std::uint64_t user_bits = 3, selector_bits = 0xfff8, virtual_8086 = 0x20000;
        const VirtAddr pushed = frame + trap_offset(trap_esp);
        if ((cs & user_bits) != 0 || (flags & virtual_8086) != 0) return with_.stack.word(pushed).value_or(0);
        if ((cs & selector_bits) == 0) return with_.stack.word(frame + trap_offset(trap_edited_esp)).value_or(0);
        return pushed.value & 0xffffffff;
    }

    // --- ebp and the stack's words --------------------------------------------------------------------------------
    /// NT starts threads with an ebp of zero: the routine that it starts them in has no caller and no record.
    static std::optional<CallerState> outermost(const Frame& frame) {
        if (frame.interrupted || (frame.registers.gpr[rbp] & 0xffffffff) != 0) return std::nullopt;
        CallerState nobody;
        nobody.registers.machine = &x86_machine();
        nobody.method = UnwindMethod::frame_pointer;
        nobody.arguments = VirtAddr(2 * word); // as of a frame at zero
        return nobody;
    }

    /// Whether the function keeps the caller's ebp where ebp points, by its first instructions; yes when it is not
    /// known.
    bool sets_ebp(const Function& function) {
        if (!function.start) return true;
        std::array<std::byte, 14> code{};
        const std::size_t have = calls_.read(*function.start, code);
        if (have < code.size()) return true;
        auto is = [&](std::size_t at, std::initializer_list<unsigned> bytes) {
            return std::ranges::equal(bytes, Bytes(code).subspan(at, bytes.size()), {}, {},
                                      [](std::byte b) { return std::to_integer<unsigned>(b); });
        };
        const std::size_t first = is(0, {0x8b, 0xff}) ? 2 : 0; // mov edi,edi: room for a patch
        // push ebp / mov ebp,esp in both encodings; or push, push, call: __SEH_prolog makes the frame.
        if (is(first, {0x55, 0x8b, 0xec}) || is(first, {0x55, 0x89, 0xe5})) return true;
        return is(first, {0x6a}) && is(first + 2, {0x68}) && is(first + 7, {0xe8});
    }

    std::optional<CallerState> by_ebp(const Frame& frame) {
        const VirtAddr ebp = frame.registers.address_in(rbp);
        if (ebp < frame.sp || ebp - frame.sp > max_frame_bytes || ebp.value % word != 0) return std::nullopt;
        auto saved = with_.stack.word(ebp);
        auto caller = caller_at(ebp + word, frame.registers, UnwindMethod::frame_pointer);
        if (!saved || !caller || !is_return_address(caller->registers.pc, true)) return std::nullopt;
        caller->registers.set(rbp, *saved);
        return *caller;
    }

    /// The nearest word that a call to this function can have pushed: a direct one, or one through a pointer, which may
    /// have led anywhere. Calls to other functions left their words here earlier, but are better than nothing: an
    /// import thunk lies between.
    Result<CallerState> scan(const Frame& frame, const Function& function, std::uint32_t pushed) {
        std::optional<VirtAddr> other;
        int candidates = 0;
        for (int i = 0; i < scan_words && candidates < max_scan_candidates; ++i) {
            const VirtAddr slot = frame.sp + pushed + static_cast<std::uint64_t>(i) * word;
            auto value = with_.stack.word(slot);
            if (!value) {
                if (i == 0) return std::unexpected(std::move(value).error());
                break;
            }
            const VirtAddr address = x86_machine().canonical(*value);
            if (!with_.kernel.modules().containing(address)) continue;
            ++candidates;
            const CallSite call = calls_.before(address);
            if (!call.likely()) continue;
            if (!call.target || !function.start || call.target == function.start)
                return caller_at(slot, frame.registers, UnwindMethod::scan);
            if (!other) other = slot;
        }
        if (other) return caller_at(*other, frame.registers, UnwindMethod::scan);
        return fail_at(frame.sp, ErrorKind::malformed, "No caller can be found on the stack");
    }

    UnwindEvidence with_;
    CallSites calls_;
    std::uint32_t callee_arguments_ = 0; ///< bytes that lie on the stack for the function that was left last
};

} // namespace

std::unique_ptr<Unwinder> make_unwinder_x86(const UnwindEvidence& evidence) {
    return std::make_unique<UnwinderX86>(evidence);
}

} // namespace poolkd::code
