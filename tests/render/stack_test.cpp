#include "render/code.h"
#include "render/stack.h"

#include <gtest/gtest.h>

namespace poolkd::render {
namespace {

/// Two frames as the command reference shows them.
class StackRender : public ::testing::Test {
  protected:
    void SetUp() override {
        code::Frame first;
        first.ip = VirtAddr(0xfffff8047a9be08d);
        first.sp = VirtAddr(0xffffd10cb2e176f0);
        first.return_address = VirtAddr(0xfffff8047e3c21cb);
        first.arguments = std::vector<std::uint64_t>{0x200, 0x3b0, 0x2061745a, 0xffffa50e41b7c010};
        code::Frame second;
        second.ip = VirtAddr(0xfffff8047e3c21cb);
        second.sp = VirtAddr(0xffffd10cb2e17760);
        second.return_address = VirtAddr(0xfffff8047e3c1a90);
        trace.frames = {first, second};
        names = {{"nt!ExAllocatePoolWithTag+0x8d", "nt", {}, {}}, {"zeta!ZetaCloneRequest+0x2b", "zeta", {}, {}}};
    }
    std::string text(const StackView& view) { return stack_text(trace, names, view); }
    code::StackTrace trace;
    std::vector<code::FrameName> names;
};

TEST_F(StackRender, K) {
    EXPECT_EQ(text({}), "Child-SP          RetAddr           Call Site\n"
                        "ffffd10c`b2e176f0 fffff804`7e3c21cb nt!ExAllocatePoolWithTag+0x8d\n"
                        "ffffd10c`b2e17760 fffff804`7e3c1a90 zeta!ZetaCloneRequest+0x2b\n");
}

TEST_F(StackRender, AStackThatWasCutSaysSo) {
    trace.end = code::StackEnd::limit;
    EXPECT_TRUE(text({}).ends_with("zeta!ZetaCloneRequest+0x2b\n"
                                   "There are more than 2 frames; `k <count>` or `.kframes` shows more\n"))
        << text({});
    EXPECT_EQ(text({.own_count = true}).find("There are more"), std::string::npos);
}

TEST_F(StackRender, Kb) {
    trace.frames.resize(1);
    EXPECT_EQ(
        text({.child_sp = false, .arguments = true}),
        "RetAddr           : Args to Child                                                           : Call Site\n"
        "fffff804`7e3c21cb : 00000000`00000200 00000000`000003b0 00000000`2061745a ffffa50e`41b7c010 : "
        "nt!ExAllocatePoolWithTag+0x8d\n");
}

TEST_F(StackRender, Kv) {
    trace.frames.resize(1);
    names[0].trap_frame = VirtAddr(0xfffff88003a25748);
    EXPECT_EQ(text({.arguments = true, .notes = true}),
              "Child-SP          RetAddr           : Args to Child                                                     "
              "      : Call Site\n"
              "ffffd10c`b2e176f0 fffff804`7e3c21cb : 00000000`00000200 00000000`000003b0 00000000`2061745a "
              "ffffa50e`41b7c010 : nt!ExAllocatePoolWithTag+0x8d (TrapFrame @ fffff880`03a25748)\n");
}

/// The x86 frames of the command reference, with the frame records that kv tells.
class StackRenderX86 : public StackRender {
  protected:
    using Kind = symbols::FrameRecord::Kind;
    void SetUp() override {
        trace.machine = &x86_machine();
        trace.frames.push_back(frame(0x9a1f5a2c, 0x8b3c21cb, {0x200, 0x3b0, 0x2061745a}));
        trace.frames.push_back(frame(0x9a1f5a58, 0x8b3c1a90, {0x8571d3c0, 0, 0}));
        names = {{"nt!ExAllocatePoolWithTag+0x1c4", "nt", {}, {}}, {"zeta!ZetaCloneRequest+0x2b", "zeta", {}, {}}};
    }
    static code::Frame frame(std::uint32_t base, std::uint32_t back, std::vector<std::uint64_t> arguments) {
        code::Frame frame;
        frame.base = x86_machine().canonical(base);
        frame.return_address = x86_machine().canonical(back);
        frame.arguments = std::move(arguments);
        return frame;
    }
    void record(Kind kind, std::string program = {}) {
        symbols::FrameRecord record;
        record.kind = kind;
        record.parameters = 12;
        record.locals = 16;
        record.saved_registers = 8;
        record.program = std::move(program);
        trace.frames[0].record = record;
        trace.frames.resize(1);
    }
    std::string note() {
        std::string line = text({.arguments = true, .notes = true});
        line = line.substr(line.find('\n') + 1);
        return line.substr(line.find("+0x1c4") + 6);
    }
};

TEST_F(StackRenderX86, K) {
    EXPECT_EQ(text({}), "ChildEBP RetAddr\n"
                        "9a1f5a2c 8b3c21cb nt!ExAllocatePoolWithTag+0x1c4\n"
                        "9a1f5a58 8b3c1a90 zeta!ZetaCloneRequest+0x2b\n");
    EXPECT_EQ(text({.numbers = true, .sizes = true}), " #   Memory ChildEBP RetAddr\n"
                                                      "00          9a1f5a2c 8b3c21cb nt!ExAllocatePoolWithTag+0x1c4\n"
                                                      "01       2c 9a1f5a58 8b3c1a90 zeta!ZetaCloneRequest+0x2b\n");
}

TEST_F(StackRenderX86, Kb) {
    EXPECT_EQ(text({.child_sp = false, .arguments = true}),
              "ChildEBP RetAddr  Args to Child\n"
              "9a1f5a2c 8b3c21cb 00000200 000003b0 2061745a nt!ExAllocatePoolWithTag+0x1c4\n"
              "9a1f5a58 8b3c1a90 8571d3c0 00000000 00000000 zeta!ZetaCloneRequest+0x2b\n");
}

TEST_F(StackRenderX86, KvTellsTheFrameRecord) {
    trace.frames.resize(1);
    EXPECT_EQ(note(), " (FPO: [Non-Fpo])\n");
    record(Kind::fpo);
    EXPECT_EQ(note(), " (FPO: [3,4,2])\n");
    record(Kind::program, "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + =");
    EXPECT_EQ(note(), " (FPO: [3,4,2])\n");
    record(Kind::program, "$T0 $ebp 4 + = $eip $T0 ^ = $esp $T0 4 + = $ebp $T0 4 - ^ =");
    EXPECT_EQ(note(), " (FPO: [Non-Fpo])\n");
    record(Kind::trap);
    trace.frames[0].record->parameters = 0;
    names[0].trap_frame = VirtAddr(0xffffffff9a1f5a2c);
    EXPECT_EQ(note(), " (FPO: [0,4] TrapFrame @ 9a1f5a2c)\n");
    names[0].trap_frame.reset();
    trace.frames[0].record.reset();
    trace.frames[0].warning = code::FrameWarning::no_unwind_info;
    EXPECT_EQ(note(), "\n") << "nothing is known of it";
}

TEST_F(StackRenderX86, WordsThatCannotBeRead) {
    trace.frames[0].arguments.clear();
    trace.frames[1].arguments.clear();
    trace.frames[1].base = trace.frames[1].return_address = VirtAddr();
    EXPECT_EQ(text({.arguments = true}), "ChildEBP RetAddr  Args to Child\n"
                                         "9a1f5a2c 8b3c21cb ???????? ???????? ???????? nt!ExAllocatePoolWithTag+0x1c4\n"
                                         "00000000 00000000 00000000 00000000 00000000 zeta!ZetaCloneRequest+0x2b\n");
    auto json = stack_json({trace, {}}, names);
    EXPECT_EQ(json["frames"][0]["child_ebp"], "0xffffffff9a1f5a2c");
}

TEST_F(StackRender, Kn) {
    EXPECT_EQ(text({.numbers = true}), " # Child-SP          RetAddr               Call Site\n"
                                       "00 ffffd10c`b2e176f0 fffff804`7e3c21cb     nt!ExAllocatePoolWithTag+0x8d\n"
                                       "01 ffffd10c`b2e17760 fffff804`7e3c1a90     zeta!ZetaCloneRequest+0x2b\n");
}

TEST_F(StackRender, Kc) {
    EXPECT_EQ(text({.names_only = true}), "Call Site\nnt!ExAllocatePoolWithTag+0x8d\nzeta!ZetaCloneRequest+0x2b\n");
}

TEST_F(StackRender, Kf) {
    EXPECT_EQ(text({.sizes = true}), "  Memory Child-SP          RetAddr           Call Site\n"
                                     "         ffffd10c`b2e176f0 fffff804`7e3c21cb nt!ExAllocatePoolWithTag+0x8d\n"
                                     "      70 ffffd10c`b2e17760 fffff804`7e3c1a90 zeta!ZetaCloneRequest+0x2b\n");
}

TEST_F(StackRender, WarningsLinesAndUnreadableWords) {
    trace.frames.erase(trace.frames.begin());
    names.erase(names.begin());
    trace.frames[0].warning = code::FrameWarning::no_module;
    trace.note = "No caller can be found on the stack";
    names[0].line = symbols::SourceLine{"zeta.c", 12, 0};
    EXPECT_EQ(
        text({.child_sp = false, .arguments = true, .lines = true}),
        "RetAddr           : Args to Child                                                           : Call Site\n"
        "WARNING: Frame IP not in any known module. Following frames may be wrong.\n"
        "fffff804`7e3c1a90 : ????????`???????? ????????`???????? ????????`???????? ????????`???????? : "
        "zeta!ZetaCloneRequest+0x2b [zeta.c @ 12]\n"
        "The stack ends here: No caller can be found on the stack\n");
}

TEST_F(StackRender, Json) {
    trace.frames[1].warning = code::FrameWarning::no_unwind_info;
    Answer<code::StackTrace> answer{trace, {}};
    nlohmann::json json = stack_json(answer, names);
    EXPECT_EQ(json["end"], "complete");
    EXPECT_EQ(json["frames"].size(), 2u);
    EXPECT_EQ(json["frames"][0]["site"], "nt!ExAllocatePoolWithTag+0x8d");
    EXPECT_EQ(json["frames"][0]["arguments"][2], "0x000000002061745a");
    EXPECT_TRUE(json["frames"][1]["arguments"].is_null());
    EXPECT_EQ(json["frames"][1]["warning"], "no_unwind_info");
}

TEST(CodeRender, RowsHaveKdsColumns) {
    code::Instruction mov;
    mov.machine = &x64_machine();
    mov.address = VirtAddr(0xfffff8047e3c21b4);
    mov.length = 6;
    for (std::size_t i = 0; unsigned byte : {0x41u, 0xb8u, 0x5au, 0x74u, 0x61u, 0x20u})
        mov.raw[i++] = static_cast<std::byte>(byte);
    mov.mnemonic = "mov";
    mov.operands = "r8d,2061745Ah";
    code::Instruction ret;
    ret.machine = &x64_machine();
    ret.address = VirtAddr(0xfffff8047e3c21ba);
    ret.length = 1;
    ret.raw[0] = std::byte{0xc3};
    ret.mnemonic = "ret";
    code::Listing listing;
    listing.rows = {{mov.address, "zeta!ZetaCloneRequest+0x14", mov, {}},
                    {ret.address, "", ret, {}},
                    {VirtAddr(0xfffff8047e3c21bb), "", {}, std::byte{6}},
                    {VirtAddr(0xfffff8047e3c21bc), "", {}, {}}};
    EXPECT_EQ(listing_text(listing), "zeta!ZetaCloneRequest+0x14:\n"
                                     "fffff804`7e3c21b4 41b85a746120    mov     r8d,2061745Ah\n"
                                     "fffff804`7e3c21ba c3              ret\n"
                                     "fffff804`7e3c21bb 06              ???\n"
                                     "fffff804`7e3c21bc ??              ???\n");
    EXPECT_EQ(instruction_row(mov, "[br=1]"), "fffff804`7e3c21b4 41b85a746120    mov     r8d,2061745Ah [br=1]");
}

} // namespace
} // namespace poolkd::render
