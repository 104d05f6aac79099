#include "code/code_machine.h"
#include "support/session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

constexpr VirtAddr sp{0xfffff88000014000};

/// Foo (frame of 0x28 bytes) called by Bar (push rbx, 0x20 bytes), which nobody called.
class StackCommands : public testing::SessionFixture {
  protected:
    StackCommands() {
        testing::ImageBuilder image;
        image.function(0x1000, 0x1100, {0x01, 0x04, 1, 0, 0x04, 0x42, 0, 0});
        image.function(0x2000, 0x2100, {0x01, 0x06, 2, 0, 0x06, 0x32, 0x02, 0x30});
        image.put(0x1000, {0x48, 0x83, 0xec, 0x28,             // sub rsp,28h
                           0x41, 0xb8, 0x5a, 0x74, 0x61, 0x20, // mov r8d,2061745Ah
                           0xe8, 0xf1, 0x0f, 0x00, 0x00,       // call Bar
                           0x48, 0x83, 0xc4, 0x28, 0xc3});     // add rsp,28h; ret
        auto made = std::make_unique<testing::FakeTarget>();
        target = made.get();
        target->edit_identity().kernel_base = kernel_base;
        target->virtual_memory().put(kernel_base, Bytes(image.build()));
        target->virtual_memory().map(sp, 0x1000);
        for (std::uint64_t i = 0; i < 4; ++i)
            memory().put_value(sp + 0x30 + 8 * i, 0xa0 + i);
        memory().put_value(sp + 0x28, (kernel_base + 0x2010).value);
        symbols->add("Foo", 0x1000, true);
        symbols->add("Bar", 0x2000, true);
        target->edit_registers().set("rip", (kernel_base + 0x100a).value);
        target->edit_registers().set("rsp", sp.value);
        session.attach(std::make_unique<debugger::Debuggee>(
            std::move(made),
            [this](nt::Module& module) {
                module.symbols = symbols;
                module.symbol_state = nt::SymbolState::loaded;
            },
            ""));
    }
};

TEST_F(StackCommands, K) {
    EXPECT_EQ(run("k"), "Child-SP          RetAddr           Call Site\n"
                        "fffff880`00014000 fffff804`00002010 nt!Foo+0xa\n"
                        "fffff880`00014030 00000000`00000000 nt!Bar+0x10\n");
}

TEST_F(StackCommands, KbWithACount) {
    std::string expected =
        "RetAddr           : Args to Child                                                           : Call Site\n"
        "fffff804`00002010 : 00000000`000000a0 00000000`000000a1 00000000`000000a2 00000000`000000a3 : nt!Foo+0xa\n";
    EXPECT_EQ(run("kb 1"), expected);
    EXPECT_EQ(run("kb1"), expected);
    EXPECT_EQ(run("KB 1"), expected);
}

TEST_F(StackCommands, ParametersWhereTheSymbolsTellThem) {
    using symbols::VariableHome;
    auto pointer = std::make_shared<symbols::Type>();
    pointer->kind = symbols::TypeKind::pointer;
    pointer->size = 8;
    auto record = std::make_shared<symbols::Type>();
    record->kind = symbols::TypeKind::structure;
    record->name = "_IRP";
    pointer->element = record;
    symbols->add_parameters(0x1000, {{"Tag", testing::number(4), VariableHome{false, "r8d", 0}},
                                     {"Irp", pointer, VariableHome{true, "rsp", 0x30}},
                                     {"Gone", testing::number(4), std::nullopt},
                                     {"Far", testing::number(4), VariableHome{true, "rcx", 0}}});
    symbols->add_parameters(0x2000, {{"Lost", testing::number(8), VariableHome{false, "rcx", 0}}});
    target->edit_registers().set("r8", 0x112061745a);
    target->edit_registers().set("rcx", 0x10);
    EXPECT_EQ(run("kp"),
              "Child-SP          RetAddr           Call Site\n"
              "fffff880`00014000 fffff804`00002010 nt!Foo(unsigned long Tag = 0x2061745a, struct _IRP * Irp = "
              "0x00000000`000000a0, unsigned long Gone = <Value unavailable error>, unsigned long Far = <Memory access "
              "error>)+0xa\n"
              "fffff880`00014030 00000000`00000000 nt!Bar(unsigned int64 Lost = <Value unavailable error>)+0x10\n");
    EXPECT_EQ(run("kcP 1"), "Call Site\nnt!Foo(\n\t\t\tunsigned long Tag = 0x2061745a,\n"
                            "\t\t\tstruct _IRP * Irp = 0x00000000`000000a0,\n"
                            "\t\t\tunsigned long Gone = <Value unavailable error>,\n"
                            "\t\t\tunsigned long Far = <Memory access error>)+0xa\n");
    EXPECT_EQ(run("kc 1"), "Call Site\nnt!Foo+0xa\n");
    symbols->add_parameters(0x1000, {});
    EXPECT_EQ(run("kcp 1"), "Call Site\nnt!Foo(void)+0xa\n");
    const auto json = nlohmann::json::parse(run("kp --json"));
    EXPECT_EQ(json["frames"][1]["parameters"][0]["state"], "unavailable");
}

TEST_F(StackCommands, LettersCombine) {
    EXPECT_EQ(run("kcn"), " # Call Site\n00 nt!Foo+0xa\n01 nt!Bar+0x10\n");
    EXPECT_EQ(run("kL 1"), "Child-SP          RetAddr           Call Site\n"
                           "fffff880`00014000 fffff804`00002010 nt!Foo+0xa\n");
    EXPECT_EQ(run("kpn 1"), " # Child-SP          RetAddr               Call Site\n"
                            "00 fffff880`00014000 fffff804`00002010     nt!Foo+0xa\n");
    EXPECT_NE(run("kx").find("error"), std::string::npos);
}

TEST_F(StackCommands, FromGivenRegisters) {
    EXPECT_EQ(run("k = fffff880`00014030 nt!Bar+10 5"), "Child-SP          RetAddr           Call Site\n"
                                                        "fffff880`00014030 00000000`00000000 nt!Bar+0x10\n");
    EXPECT_EQ(run("k = @rsp 1"), "Child-SP          RetAddr           Call Site\n"
                                 "fffff880`00014000 fffff804`00002010 nt!Foo+0xa\n");
}

TEST_F(StackCommands, Kframes) {
    EXPECT_EQ(run(".kframes"), "Default stack trace depth is 0n256 frames\n");
    EXPECT_EQ(run(".kframes 1"), "Default stack trace depth is 0n1 frames\n");
    EXPECT_EQ(run("k"), "Child-SP          RetAddr           Call Site\n"
                        "fffff880`00014000 fffff804`00002010 nt!Foo+0xa\n"
                        "There are more than 1 frames; `k <count>` or `.kframes` shows more\n");
}

TEST_F(StackCommands, Json) {
    std::string text = run("kb --json");
    EXPECT_NE(text.find("\"site\":\"nt!Foo+0xa\""), std::string::npos) << text;
    EXPECT_NE(text.find("\"end\":\"complete\""), std::string::npos) << text;
}

TEST_F(StackCommands, RawWords) {
    EXPECT_EQ(run("kd 6"), "fffff880`00014000  00000000`00000000\nfffff880`00014008  00000000`00000000\n"
                           "fffff880`00014010  00000000`00000000\nfffff880`00014018  00000000`00000000\n"
                           "fffff880`00014020  00000000`00000000\nfffff880`00014028  fffff804`00002010 nt!Bar+0x10\n");
}

TEST_F(StackCommands, UnassembleAndGoOn) {
    EXPECT_EQ(run("u nt!Foo L2"), "nt!Foo:\n"
                                  "fffff804`00001000 4883ec28        sub     rsp,28h\n"
                                  "fffff804`00001004 41b85a746120    mov     r8d,2061745Ah\n");
    std::string continued = run("u");
    EXPECT_EQ(continued, run("u nt!Foo+a"));
    EXPECT_EQ(run("u nt!Foo+a L1"), "nt!Foo+0xa:\n"
                                    "fffff804`0000100a e8f10f0000      call    nt!Bar (fffff804`00002000)\n");
    EXPECT_EQ(run("u nt!Foo nt!Foo+4"), run("u nt!Foo L2"));
}

TEST_F(StackCommands, UnassembleBackwards) {
    EXPECT_EQ(run("ub nt!Foo+a L1"), "nt!Foo+0x4:\n"
                                     "fffff804`00001004 41b85a746120    mov     r8d,2061745Ah\n");
}

TEST_F(StackCommands, UnassembleUnreadable) {
    std::string text = run("u fffff900`00000000");
    EXPECT_TRUE(text.starts_with("fffff900`00000000 ??              ???\n")) << text;
    EXPECT_NE(text.find("Memory access error in 'u fffff900`00000000'"), std::string::npos) << text;
    EXPECT_TRUE(failed);
    EXPECT_EQ(std::ranges::count(run("uu fffff900`00000000 L3"), '\n'), 3);
}

TEST_F(StackCommands, WholeFunction) {
    EXPECT_EQ(run("uf nt!Foo+4"), "nt!Foo:\n"
                                  "fffff804`00001000 4883ec28        sub     rsp,28h\n"
                                  "fffff804`00001004 41b85a746120    mov     r8d,2061745Ah\n"
                                  "fffff804`0000100a e8f10f0000      call    nt!Bar (fffff804`00002000)\n"
                                  "fffff804`0000100f 4883c428        add     rsp,28h\n"
                                  "fffff804`00001013 c3              ret\n");
    EXPECT_EQ(run("uf /c nt!Foo"), "nt!Foo (fffff804`00001000)\n"
                                   "  nt!Foo+0xa (fffff804`0000100a):\n"
                                   "    call to nt!Bar (fffff804`00002000)\n");
}

TEST_F(StackCommands, CodeOfAProcessThatIsLookedAt) {
    memory().put(VirtAddr(0x400000), {0x90, 0x90, 0xc3}); // what the process that runs has there
    auto entry = [&](std::uint64_t at, std::uint64_t value) {
        target->physical_memory().put_value(PhysAddr(at), value);
    };
    entry(0x7000, 0x8067);
    entry(0x8000, 0x9067);
    entry(0x9010, 0xa067);
    entry(0xa000, 0xb067);
    target->physical_memory().put(PhysAddr(0xb000), {0xcc, 0xcc, 0xc3});
    session.look_at_process(debugger::ProcessContext{
        VirtAddr(0xffffe00000020000), {&x64_machine(), 0x7000, 0}, VirtAddr(0x8000'0000'0000'0000)});
    EXPECT_EQ(run("u 400000 L1"), "00000000`00400000 cc              int     3\n");
    EXPECT_EQ(run("ub 400002 L1"), "00000000`00400001 cc              int     3\n");
    EXPECT_NE(run("uf 400000").find("00000000`00400001 cc              int     3\n"), std::string::npos);
    session.look_at_process(std::nullopt);
    EXPECT_EQ(run("u 400000 L1"), "00000000`00400000 90              nop\n");
}

/// A CONTEXT record of nt!Bar on the stack.
class StackOfARecord : public StackCommands {
  protected:
    StackOfARecord() {
        memory().put_value(sp + 0x800 + 0x30, std::uint32_t{0x10001f});
        memory().put_value(sp + 0x800 + 0x98, sp.value + 0x30);
        memory().put_value(sp + 0x800 + 0xf8, (kernel_base + 0x2010).value);
    }
};

TEST_F(StackOfARecord, ListingsWithoutAnAddressBeginAtTheNewPlace) {
    run("u nt!Foo L1");
    run("db nt!Foo L1");
    run(".cxr fffff880`00014800");
    EXPECT_TRUE(run("u").starts_with("nt!Bar+0x10:\n"));
    EXPECT_TRUE(run("db").starts_with("fffff804`00002010  "));
    run(".cxr");
    EXPECT_TRUE(run("u").starts_with("nt!Foo+0xa:\n"));
    EXPECT_TRUE(run("db").starts_with("fffff804`0000100a  "));
}

TEST_F(StackOfARecord, AnalyzeIsAboutTheProcessor) {
    symbols->add("KiBugCheckData", 0x9000);
    memory().put_value(kernel_base + 0x9000, std::uint64_t{0xabcdef});
    run(".cxr fffff880`00014800");
    EXPECT_NE(run("!analyze -v")
                  .find("STACK_TEXT:\nChild-SP          RetAddr           Call Site\n"
                        "fffff880`00014000 fffff804`00002010 nt!Foo+0xa\n"),
              std::string::npos);
}

} // namespace
} // namespace poolkd
