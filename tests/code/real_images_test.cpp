// The prologs and epilogs of real code, executed step by step by a small interpreter: at each step the unwinder must
// give back the registers that the function was called with.

#include "code/unwind_x64.h"
#include "code/zydis.h"
#include "code_machine.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace poolkd::code {
namespace {

using poolkd::testing::CodeMachine;

constexpr std::uint64_t return_address = 0xfffff80000001234;
constexpr VirtAddr stack_top{0xfffff88000200000};
constexpr std::uint64_t stack_bytes = 0x40000;
constexpr std::uint8_t nonvolatile[] = {rbx, rbp, rsi, rdi, r12, r13, r14, r15};

/// Runs the few kinds of instructions that prologs are made of.
class Interpreter {
  public:
    Interpreter(poolkd::testing::FakeMemory& memory, GeneralRegisters& registers) : memory_(memory), r_(registers) {}

    /// False when the instruction is none that a prolog may have.
    bool step(const zydis::Decoded& d) {
        const auto& ops = d.operands;
        std::uint64_t next = r_.pc + d.instruction.length;
        switch (d.instruction.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH: {
            int reg = gpr(ops[0]);
            if (reg < 0) return false;
            r_.gpr[rsp] -= 8;
            memory_.put_value(r_.sp(), r_.gpr[static_cast<std::size_t>(reg)]);
            break;
        }
        case ZYDIS_MNEMONIC_SUB: {
            if (gpr(ops[0]) != rsp) return harmless(d) && advance(next);
            if (ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
                r_.gpr[rsp] -= ops[1].imm.value.u;
            else if (gpr(ops[1]) == rax)
                r_.gpr[rsp] -= r_.gpr[rax];
            else
                return false;
            break;
        }
        case ZYDIS_MNEMONIC_MOV:
            if (ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
                auto where = address(ops[0], next);
                int reg = gpr(ops[1]);
                if (!where) return false;
                if (*where < stack_top - stack_bytes || *where >= stack_top + 0x1000) return false;
                if (reg >= 0) memory_.put_value(*where, r_.gpr[static_cast<std::size_t>(reg)]);
            } else if (gpr(ops[0]) >= 0 && gpr(ops[1]) >= 0) {
                r_.gpr[static_cast<std::size_t>(gpr(ops[0]))] = r_.gpr[static_cast<std::size_t>(gpr(ops[1]))];
            } else if (ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && writes_eax(ops[0])) {
                r_.gpr[rax] = ops[1].imm.value.u;
            } else {
                return harmless(d) && advance(next);
            }
            break;
        case ZYDIS_MNEMONIC_LEA: {
            auto where = address(ops[1], next);
            if (gpr(ops[0]) < 0 || !where) return harmless(d) && advance(next);
            r_.gpr[static_cast<std::size_t>(gpr(ops[0]))] = where->value;
            break;
        }
        case ZYDIS_MNEMONIC_CALL: break; // __chkstk: touches the stack, changes nothing
        case ZYDIS_MNEMONIC_MOVAPS:
        case ZYDIS_MNEMONIC_MOVUPS:
        case ZYDIS_MNEMONIC_MOVDQA: break;
        default: return harmless(d) && advance(next);
        }
        return advance(next);
    }

  private:
    bool advance(std::uint64_t next) {
        r_.pc = next;
        return true;
    }
    static int gpr(const ZydisDecodedOperand& operand) {
        return operand.type == ZYDIS_OPERAND_TYPE_REGISTER ? zydis::gpr_number(x64_machine(), operand.reg.value) : -1;
    }
    static bool writes_eax(const ZydisDecodedOperand& operand) {
        return operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value == ZYDIS_REGISTER_EAX;
    }
    std::optional<VirtAddr> address(const ZydisDecodedOperand& operand, std::uint64_t next) const {
        if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.index != ZYDIS_REGISTER_NONE) return std::nullopt;
        std::uint64_t base = next;
        if (operand.mem.base != ZYDIS_REGISTER_RIP) {
            int reg = zydis::gpr_number(x64_machine(), operand.mem.base);
            if (reg < 0) return std::nullopt;
            base = r_.gpr[static_cast<std::size_t>(reg)];
        }
        return VirtAddr(base + static_cast<std::uint64_t>(operand.mem.disp.value));
    }
    /// Writes neither memory, nor the stack pointer, nor a register that the caller owns.
    bool harmless(const zydis::Decoded& d) {
        if (d.instruction.meta.category == ZYDIS_CATEGORY_COND_BR) return false;
        for (std::size_t i = 0; i < d.instruction.operand_count; ++i) {
            const auto& operand = d.operands[i];
            if (!(operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) continue;
            if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) return false;
            if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
            int reg = zydis::gpr_number(
                x64_machine(), ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value));
            if (reg == rsp) return false;
            for (std::uint8_t owned : nonvolatile)
                if (reg == owned) return false;
            if (reg >= 0) r_.gpr[static_cast<std::size_t>(reg)] = 0xdead;
        }
        return true;
    }

    poolkd::testing::FakeMemory& memory_;
    GeneralRegisters& r_;
};

struct Counts {
    std::size_t functions = 0, prolog_points = 0, epilog_points = 0, whole_prologs = 0;
};

class ImageWalk {
  public:
    explicit ImageWalk(const ByteVector& image) {
        machine_.add_module("ntoskrnl.exe", CodeMachine::kernel_base, image);
        machine_.memory().map(stack_top - stack_bytes, stack_bytes + 0x1000);
    }

    Counts run() {
        nt::Module& module = machine_.kernel().modules().kernel();
        auto tables = UnwindTables::open(*module.image);
        EXPECT_TRUE(tables) << tables.error().message;
        if (!tables) return {};
        for (std::uint32_t i = 0; i < tables->count(); ++i) {
            auto function = tables->entry(i);
            if (!function || function->begin == 0) continue;
            auto info = tables->info(*function);
            EXPECT_TRUE(info) << std::hex << function->begin << " " << info.error().message;
            if (!info) continue;
            ++counts_.functions;
            if (!info->chained) prolog(*tables, *function, *info);
            epilogs(*tables, *function, *info);
        }
        return counts_;
    }

  private:
    GeneralRegisters called() {
        GeneralRegisters r;
        for (std::size_t i = 0; i < gpr_count; ++i)
            r.gpr[i] = 0xfffff10000000000 + (++seed_ << 8) + i;
        r.gpr[rsp] = stack_top.value;
        machine_.push(stack_top, return_address);
        return r;
    }
    bool decode(std::uint64_t at, zydis::Decoded& out) {
        std::array<std::byte, 15> bytes{};
        std::size_t got = machine_.memory().read(VirtAddr(at), bytes).bytes;
        return zydis::decode(x64_machine(), Bytes(bytes).first(got), out) == zydis::Outcome::good;
    }
    Result<CallerState> unwind(const UnwindTables& tables, const RuntimeFunction& function,
                               const GeneralRegisters& now) {
        StackReader stack(machine_.memory(), x64_machine());
        return unwind_function(tables, function, now, true, stack,
                               [&](VirtAddr at, MutableBytes out) { return machine_.memory().read(at, out).bytes; });
    }
    void expect_original(const UnwindTables& tables, const RuntimeFunction& function, const GeneralRegisters& now,
                         const GeneralRegisters& original) {
        auto caller = unwind(tables, function, now);
        std::string where = fmt::format("function {:x}, at {:x}", function.begin, now.pc - tables.base().value);
        ASSERT_TRUE(caller) << where << ": " << caller.error().message;
        EXPECT_EQ(caller->registers.pc, return_address) << where;
        EXPECT_EQ(caller->registers.gpr[rsp], stack_top.value + 8) << where;
        for (std::uint8_t reg : nonvolatile)
            EXPECT_EQ(caller->registers.gpr[reg], original.gpr[reg]) << where << " " << gpr_name(x64_machine(), reg);
    }

    void prolog(const UnwindTables& tables, const RuntimeFunction& function, const UnwindInfo& info) {
        for (const UnwindCode& code : info.codes)
            if (code.op == UnwindOp::push_machframe) return; // not entered by a call
        // GCC's cold parts: entered by a jump, with a record of the frame that the hot part made.
        if (info.prolog_size == 0 && !info.codes.empty()) return;
        const GeneralRegisters original = called();
        GeneralRegisters now = original;
        now.pc = (tables.base() + function.begin).value;
        std::uint64_t end = now.pc + info.prolog_size;
        Interpreter interpreter(machine_.memory(), now);
        while (now.pc <= end) {
            expect_original(tables, function, now, original);
            ++counts_.prolog_points;
            zydis::Decoded decoded;
            if (now.pc == end) {
                ++counts_.whole_prologs;
                break;
            }
            if (!decode(now.pc, decoded) || !interpreter.step(decoded)) break;
        }
    }

    /// At the start of each epilog that version 2 names, pops and the return are left: run them.
    void epilogs(const UnwindTables& tables, const RuntimeFunction& function, const UnwindInfo& info) {
        if (!info.epilogs) return;
        ReadCode read = [&](VirtAddr at, MutableBytes out) { return machine_.memory().read(at, out).bytes; };
        for (std::uint32_t distance : info.epilogs->from_end) {
            ASSERT_LE(distance, function.end - function.begin);
            VirtAddr start = tables.base() + (function.end - distance);
            std::vector<std::uint8_t> pops;
            VirtAddr at = start;
            zydis::Decoded decoded;
            while (decode(at.value, decoded) && decoded.instruction.mnemonic == ZYDIS_MNEMONIC_POP) {
                pops.push_back(
                    static_cast<std::uint8_t>(zydis::gpr_number(x64_machine(), decoded.operands[0].reg.value)));
                at += decoded.instruction.length;
            }
            const GeneralRegisters original = called();
            GeneralRegisters now = original;
            now.gpr[rsp] -= 8 * pops.size();
            for (std::size_t i = 0; i < pops.size(); ++i) {
                machine_.push(now.sp() + 8 * i, original.gpr[pops[i]]);
                now.gpr[pops[i]] = 0xdead;
            }
            now.pc = start.value;
            for (std::size_t done = 0;; ++done) {
                expect_original(tables, function, now, original);
                ++counts_.epilog_points;
                // The records and the code tell the same.
                auto by_code = decode_epilog(tables, function, info, now.ip(), read, true);
                auto by_record = find_epilog(tables, function, info, now.ip(), read);
                ASSERT_TRUE(by_code && by_record) << std::hex << function.begin << " " << now.pc;
                EXPECT_EQ(by_code->size(), by_record->size());
                if (done == pops.size()) break;
                now.gpr[pops[done]] = original.gpr[pops[done]];
                now.gpr[rsp] += 8;
                now.pc += pops[done] >= r8 ? 2u : 1u;
            }
        }
    }

    CodeMachine machine_;
    std::uint64_t seed_ = 0;
    Counts counts_;
};

struct RealImage {
    const char* file;
    std::size_t least_functions, least_epilogs;
};

class RealImages : public ::testing::TestWithParam<RealImage> {};

TEST_P(RealImages, PrologsAndEpilogsUnwindAtEachInstruction) {
    std::filesystem::path path = std::filesystem::path(POOLKD_SHARED_DATA) / GetParam().file;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "shared data absent: " << GetParam().file;
    Counts counts = ImageWalk(poolkd::testing::load_image(path)).run();
    EXPECT_GE(counts.functions, GetParam().least_functions);
    EXPECT_GE(counts.epilog_points, GetParam().least_epilogs);
    EXPECT_GE(counts.prolog_points, 2 * GetParam().least_functions);
    RecordProperty("whole_prologs", static_cast<int>(counts.whole_prologs));
    std::printf("%s: %zu functions, %zu prolog points, %zu whole prologs, %zu epilog points\n", GetParam().file,
                counts.functions, counts.prolog_points, counts.whole_prologs, counts.epilog_points);
}

INSTANTIATE_TEST_SUITE_P(Shared, RealImages,
                         ::testing::Values(RealImage{"drivers/x64/systeminformer/systeminformer.sys", 400, 400},
                                           RealImage{"drivers/x64/systeminformer/ksi.dll", 20, 15},
                                           RealImage{"drivers/x64/velocidex_winpmem_x64.sys", 80, 60},
                                           RealImage{"drivers/x64/speakeasy_wdm_test_x64.sys", 40, 30},
                                           RealImage{"drivers/wine-x64/ndis.sys", 20, 0},
                                           RealImage{"drivers/wine-x64/http.sys", 20, 0},
                                           RealImage{"drivers/wine-x64/mountmgr.sys", 20, 0}),
                         [](const auto& which) { return "Image" + std::to_string(which.index); });

TEST(RealImage, LoopInTheUnwindChainIsAnError) {
    std::filesystem::path path = std::filesystem::path(POOLKD_SHARED_DATA) / "pdb/sentry/cfi_chained_loop.exe";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "shared data absent: cfi_chained_loop.exe";
    CodeMachine machine;
    ByteVector image = poolkd::testing::load_image(path);
    image.resize(std::max<std::size_t>(image.size(), 0x3000));
    machine.add_module("ntoskrnl.exe", CodeMachine::kernel_base, image);
    auto tables = UnwindTables::open(*machine.kernel().modules().kernel().image);
    ASSERT_TRUE(tables) << tables.error().message;
    auto function = tables->entry(0);
    ASSERT_TRUE(function);
    EXPECT_FALSE(tables->primary(*function));
    GeneralRegisters registers;
    registers.pc = (CodeMachine::kernel_base + 0x1500).value;
    registers.gpr[rsp] = CodeMachine::stack_bottom.value + 0x1000;
    StackReader stack(machine.memory(), x64_machine());
    auto caller =
        unwind_function(*tables, *function, registers, false, stack, [](VirtAddr, MutableBytes) { return 0u; });
    ASSERT_FALSE(caller);
    EXPECT_EQ(caller.error().kind, ErrorKind::malformed);
}

} // namespace
} // namespace poolkd::code
