#include "commands/location.h"
#include "support/session_fixture.h"

namespace poolkd {
namespace {

/// The registers of the example in commands.md section 7.
class RegisterCommands : public testing::SessionFixture {
  protected:
    RegisterCommands() {
        auto& r = target->edit_registers();
        for (auto [name, value] :
             std::initializer_list<std::pair<std::string_view, std::uint64_t>>{{"rax", 0xffffa50e41b7c010},
                                                                               {"rcx", 0x200},
                                                                               {"rdx", 0x3b0},
                                                                               {"rsi", 0xffffa50e3f20d050},
                                                                               {"rip", 0xfffff8040000208d},
                                                                               {"rsp", 0xffffd10cb2e176f0},
                                                                               {"rbp", 1},
                                                                               {"r8", 0x2061745a},
                                                                               {"r11", 0xffffd10cb2e17750},
                                                                               {"r14", 0xffffa50e3ee41d80},
                                                                               {"cs", 0x10},
                                                                               {"ss", 0x18},
                                                                               {"ds", 0x2b},
                                                                               {"es", 0x2b},
                                                                               {"fs", 0x53},
                                                                               {"gs", 0x2b},
                                                                               {"efl", 0x206}})
            r.set(name, value);
        symbols->add("ExAllocatePoolWithTag", 0x2000, true);
        memory().put(VirtAddr(0xfffff8040000208d), {0xcc});
    }
};

TEST_F(RegisterCommands, AllOfThem) {
    EXPECT_EQ(run("r"), "rax=ffffa50e41b7c010 rbx=0000000000000000 rcx=0000000000000200\n"
                        "rdx=00000000000003b0 rsi=ffffa50e3f20d050 rdi=0000000000000000\n"
                        "rip=fffff8040000208d rsp=ffffd10cb2e176f0 rbp=0000000000000001\n"
                        " r8=000000002061745a  r9=0000000000000000 r10=0000000000000000\n"
                        "r11=ffffd10cb2e17750 r12=0000000000000000 r13=0000000000000000\n"
                        "r14=ffffa50e3ee41d80 r15=0000000000000000\n"
                        "iopl=0         nv up ei pl nz na pe nc\n"
                        "cs=0010  ss=0018  ds=002b  es=002b  fs=0053  gs=002b             efl=00000206\n"
                        "nt!ExAllocatePoolWithTag+0x8d:\n"
                        "fffff804`0000208d cc              int     3\n");
}

TEST_F(RegisterCommands, AllOfThemOnX86) {
    target->edit_identity().machine = &x86_machine();
    auto& r = target->edit_registers();
    r = RegisterFile(x86_machine(), ByteVector(x86_machine().context_size));
    for (auto [name, value] : std::initializer_list<std::pair<std::string_view, std::uint64_t>>{{"eax", 1},
                                                                                                {"edx", 0x80415a2f},
                                                                                                {"eip", 0x80406a14},
                                                                                                {"esp", 0xf0008f94},
                                                                                                {"ebp", 0xf0008fc0},
                                                                                                {"cs", 8},
                                                                                                {"ss", 0x10},
                                                                                                {"ds", 0x23},
                                                                                                {"es", 0x23},
                                                                                                {"fs", 0x30},
                                                                                                {"efl", 0x202}})
        r.set(name, value);
    memory().put(VirtAddr(0xffffffff80406a14), {0xcc});
    EXPECT_EQ(run("r"), "eax=00000001 ebx=00000000 ecx=00000000 edx=80415a2f esi=00000000 edi=00000000\n"
                        "eip=80406a14 esp=f0008f94 ebp=f0008fc0 iopl=0         nv up ei pl nz na po nc\n"
                        "cs=0008  ss=0010  ds=0023  es=0023  fs=0030  gs=0000             efl=00000202\n"
                        "80406a14 cc              int     3\n");
    EXPECT_EQ(run("r ax, bp, $ip"), "ax=0001 bp=8fc0 $ip=80406a14\n");
    EXPECT_EQ(run("? eip"), "Evaluate expression: -2143262188 = 80406a14\n");
}

TEST_F(RegisterCommands, SingleOnes) {
    EXPECT_EQ(run("r rax"), "rax=ffffa50e41b7c010\n");
    EXPECT_EQ(run("r rcx, rdx"), "rcx=0000000000000200 rdx=00000000000003b0\n");
    EXPECT_EQ(run("r @r8d"), "r8d=2061745a\n");
    EXPECT_EQ(run("r AL"), "al=10\n");
    EXPECT_EQ(run("r zf"), "zf=0\n");
    EXPECT_EQ(run("r efl"), "efl=00000206\n");
    EXPECT_EQ(run("r $ip"), "$ip=fffff8040000208d\n");
    EXPECT_EQ(run("reax"), "eax=41b7c010\n") << "the blank is optional";
    EXPECT_EQ(run("r nosuch"), "      ^ Bad register error in 'r nosuch'\n");
    EXPECT_TRUE(failed);
}

TEST_F(RegisterCommands, Setting) {
    EXPECT_EQ(run("r rax=1"), "");
    EXPECT_EQ(target->edit_registers().get("rax"), 1u);
    EXPECT_EQ(run("r rbx = @rax + 4; r rbx"), "rbx=0000000000000005\n");
    EXPECT_EQ(run("r eax=ffffffff"), "");
    EXPECT_EQ(target->edit_registers().get("rax"), 0xffffffffu);
    EXPECT_EQ(run("r $ip=1234"), "");
    EXPECT_EQ(target->edit_registers().ip(), VirtAddr(0x1234));
    EXPECT_NE(run("r $proc=1").find("Bad register error"), std::string::npos);
    target->set_writable(false);
    run("r rax=2");
    EXPECT_TRUE(failed);
    EXPECT_EQ(target->edit_registers().get("rax"), 0xffffffffu);
}

TEST_F(RegisterCommands, UserVariables) {
    EXPECT_EQ(run("r $t0 = 5; r $t19=@$t0*2; r $t19"), "$t19=000000000000000a\n");
    EXPECT_EQ(run("? @$t0"), "Evaluate expression: 5 = 00000000`00000005\n");
    EXPECT_NE(run("r $t20=1").find("Bad register error"), std::string::npos);
}

/// They are in KSPECIAL_REGISTERS; what CONTEXT has in their place are leftovers.
TEST_F(RegisterCommands, ControlAndDebugRegistersAreRead) {
    target->set_processors(2);
    for (std::uint32_t processor : {0u, 1u}) {
        ASSERT_TRUE(store_unsigned(target->edit_special(processor), 0x10, 8, 0x1ad000 + processor));
        ASSERT_TRUE(store_unsigned(target->edit_special(processor), 0x48, 8, 0x10402));
        ASSERT_TRUE(store_unsigned(target->edit_special(processor), 0x56, 2, 0x57));
        ASSERT_TRUE(store_unsigned(target->edit_special(processor), 0x58, 8, 0xfffff80000b95000));
        ASSERT_TRUE(store_unsigned(target->edit_special(processor), 0x70, 2, 0x40));
    }
    target->edit_registers().set("dr7", 0x155);
    EXPECT_EQ(run("r cr3"), "cr3=00000000001ad000\n");
    EXPECT_EQ(run("1r cr3"), "cr3=00000000001ad001\n");
    EXPECT_EQ(run("r dr7, gdtr, GDTL, tr"), "dr7=0000000000010402 gdtr=fffff80000b95000 gdtl=0057 tr=0040\n");
    EXPECT_EQ(run("? @cr3 + 1"), "Evaluate expression: 1757185 = 00000000`001ad001\n");
    EXPECT_EQ(run("r cr3=1"), "cr3 can only be read\n");
    EXPECT_EQ(run("r dr7=0"), "dr7 can only be read; ba uses the debug registers\n");
    EXPECT_EQ(run("r cr1"), "         ^ Bad register error in 'r cr1'\n");
    target->edit_special().resize(0x20); // as of a system that has fewer of them
    EXPECT_EQ(run("r gdtr"), "The target does not tell gdtr\n");
}

TEST_F(RegisterCommands, OperandsOverFsAndGs) {
    auto& r = target->edit_registers();
    ASSERT_TRUE(store_unsigned(target->edit_special(), 0xa8, 8, 0xfffff80400003000));
    memory().put_value<std::uint64_t>(VirtAddr(0xfffff80400003188), 0xffffa50e3f20d050);
    memory().put(kernel_base + 0x1000, {0x65, 0x48, 0x8b, 0x04, 0x25, 0x88, 0x01, 0x00, 0x00});
    r.set_ip(kernel_base + 0x1000);
    EXPECT_THAT(commands::location_text(session, r.ip(), &r),
                ::testing::EndsWith(" gs:002b:00000000`00000188=ffffa50e3f20d050\n"));
    memory().put(kernel_base + 0x1000, {0x64, 0x8b, 0x04, 0x25, 0x10, 0x00, 0x00, 0x00}); // over fs: nobody tells
    EXPECT_THAT(commands::location_text(session, r.ip(), &r),
                ::testing::EndsWith(" fs:0053:00000000`00000010=????????\n"));

    // On x86 a descriptor of the GDT has the base in three pieces.
    target->edit_identity().machine = &x86_machine();
    r = RegisterFile(x86_machine(), ByteVector(x86_machine().context_size));
    r.set("fs", 0x30);
    ByteVector& special = target->edit_special();
    std::ranges::fill(special, std::byte{0});
    ASSERT_TRUE(store_unsigned(special, 0x2c, 4, 0x80039000));
    memory().put(VirtAddr(0xffffffff80039030), {0x01, 0x00, 0x00, 0xf1, 0xdf, 0x93, 0xc0, 0xff}); // base ffdff100
    memory().put_value<std::uint32_t>(VirtAddr(0xffffffffffdff224), 0x8293cd40);
    memory().put(VirtAddr(0xffffffff80406a14), {0x64, 0xa1, 0x24, 0x01, 0x00, 0x00});
    r.set_ip(VirtAddr(0xffffffff80406a14));
    EXPECT_THAT(commands::location_text(session, r.ip(), &r), ::testing::EndsWith(" fs:0030:00000124=8293cd40\n"));
    r.set("fs", 0x37); // in the LDT
    EXPECT_THAT(commands::location_text(session, r.ip(), &r), ::testing::EndsWith(" fs:0037:00000124=????????\n"));
}

TEST_F(RegisterCommands, AnotherProcessor) {
    target->set_processors(2);
    target->edit_registers(1).set("rcx", 0x77);
    EXPECT_EQ(run("1r rcx"), "rcx=0000000000000077\n");
    EXPECT_EQ(run("r rcx"), "rcx=0000000000000200\n");
    EXPECT_NE(run("1r rcx=1").find("read-only"), std::string::npos);
    EXPECT_EQ(run("7r rcx"), "7 is not a valid processor number\n");
    EXPECT_EQ(session.prompt(), "0: kd> ");
}

TEST_F(RegisterCommands, BytesThatAreNoInstruction) {
    memory().put(VirtAddr(0xfffff8040000208d), {0x06});
    EXPECT_TRUE(run("r").ends_with("fffff804`0000208d 06              ???\n"));
    EXPECT_TRUE(run("r rip=10; r").ends_with("00000000`00000010 ??              ???\n"));
}

TEST_F(RegisterCommands, ARunningTargetHasNone) {
    target->set_running(true);
    EXPECT_NE(run("r").find("running"), std::string::npos);
    EXPECT_TRUE(failed);
    target->set_running(false);
}

TEST_F(RegisterCommands, WithoutATargetThereAreOnlyTheUsersOwn) {
    debugger::Session alone{console, table};
    EXPECT_TRUE(alone.execute_line("r $t0=5; r $t0"));
    EXPECT_EQ(console.take(), "$t0=0000000000000005\n");
    for (const char* line : {"r", "r rax", "r rax=1", "r $ip=1", "2r rax"}) {
        EXPECT_FALSE(alone.execute_line(line)) << line;
        EXPECT_EQ(console.take(), "r needs a target, and none is connected\n") << line;
    }
}

} // namespace
} // namespace poolkd
