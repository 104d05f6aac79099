#include "code/stack.h"
#include "code/stack_names.h"
#include "code_machine_x86.h"

#include <gtest/gtest.h>

namespace poolkd::code::stack_x86_test {
namespace {

using poolkd::testing::CodeMachineX86;
using symbols::FrameRecord;
using Kind = FrameRecord::Kind;
using Sites = std::vector<std::string>;

constexpr VirtAddr nt_base = CodeMachineX86::kernel_base, driver = CodeMachineX86::driver_base;
constexpr VirtAddr sp{0xfffffffff8ad3000};

/// A kernel with an allocator (three arguments), a break routine (int 3, ret), a dispatcher, a trap handler and the
/// start of a thread; a driver with a writer. Every test says how their frames are known.
class StackX86 : public ::testing::Test {
  protected:
    static constexpr std::uint32_t break_rva = 0x1000, allocator = 0x2000, dispatcher = 0x3000, start = 0x4000,
                                   trap = 0x5000, writer = 0x1000;

    void SetUp() override {
        auto& nt = machine.symbols("nt");
        nt.add_function("DbgBreakPoint", break_rva, 0);
        nt.add_function("ExAllocatePoolWithTag", allocator, 12);
        nt.add_function("IofCallDriver", dispatcher, 0);
        nt.add_function("PspSystemThreadStartup", start, 8);
        nt.add_function("KiTrap0E", trap, 0);
        machine.symbols("leaky").add_function("LeakyWrite", writer, 8);
        machine.code(nt_base + break_rva, {0xcc, 0xc3});
        for (std::uint32_t rva : {allocator, dispatcher, start})
            ebp_function(nt_base + rva);
        ebp_function(driver + writer);
        call(nt_base + allocator + 0x50, nt_base + break_rva);
        call(driver + writer + 0x50, nt_base + allocator);
        machine.code(nt_base + dispatcher + 0x50 - 2, {0xff, 0xd0}); // call eax
        call(nt_base + start + 0x50, nt_base + dispatcher);
        call(nt_base + trap + 0x50, nt_base + allocator);
    }
    void ebp_function(VirtAddr at) { machine.code(at, {0x8b, 0xff, 0x55, 0x8b, 0xec, 0x83, 0xec, 0x20, 0x74, 0x00}); }
    /// A direct call that ends at `back`.
    void call(VirtAddr back, VirtAddr to) {
        machine.code(back - 5, {0xe8});
        machine.memory().put_value(back - 4, static_cast<std::uint32_t>(to - back));
    }
    /// Frames linked by ebp, from `at` on; returns the first ebp. Each gets arguments that count from a0.
    VirtAddr chain(VirtAddr at, std::initializer_list<VirtAddr> returns) {
        VirtAddr first = at;
        for (VirtAddr back : returns) {
            machine.push(at, (at + 0x40).value);
            machine.push(at + 4, back.value);
            for (std::uint64_t i = 0; i < 3; ++i)
                machine.push(at + 8 + 4 * i, 0xa0 + i);
            at = at + 0x40;
        }
        machine.push(at, 0);
        machine.push(at + 4, 0);
        return first;
    }
    Answer<StackTrace> walk(VirtAddr ip, VirtAddr esp, VirtAddr ebp) {
        machine.set("eip", ip.value);
        machine.set("esp", esp.value);
        machine.set("ebp", ebp.value);
        return walk_stack(machine.kernel(), machine.target.edit_registers());
    }
    Sites sites(const Answer<StackTrace>& trace) {
        Sites out;
        for (const FrameName& name : name_frames(machine.kernel(), trace.value))
            out.push_back(name.site);
        return out;
    }
    static FrameRecord record(std::uint32_t rva, Kind kind, std::string program = {}) {
        FrameRecord out;
        out.rva = rva;
        out.size = 0x100;
        out.kind = kind;
        out.program = std::move(program);
        return out;
    }

    CodeMachineX86 machine;
};

TEST_F(StackX86, FollowsEbp) {
    VirtAddr ebp = chain(sp + 0x20, {driver + writer + 0x50, nt_base + dispatcher + 0x50, nt_base + start + 0x50});
    auto answer = walk(nt_base + allocator + 0x80, sp, ebp);
    EXPECT_EQ(answer.value.end, StackEnd::complete) << answer.value.note;
    EXPECT_TRUE(answer.coverage.complete()) << answer.coverage.sentence();
    EXPECT_EQ(sites(answer), (Sites{"nt!ExAllocatePoolWithTag+0x80", "leaky!LeakyWrite+0x50", "nt!IofCallDriver+0x50",
                                    "nt!PspSystemThreadStartup+0x50"}));
    const Frame& first = answer.value.frames[0];
    EXPECT_EQ(first.base, ebp);
    EXPECT_EQ(first.return_address, driver + writer + 0x50);
    EXPECT_EQ(first.arguments, (std::vector<std::uint64_t>{0xa0, 0xa1, 0xa2}));
    EXPECT_EQ(first.method, UnwindMethod::frame_pointer);
    EXPECT_EQ(first.warning, FrameWarning::none) << "a function with symbols and without record uses ebp";
    EXPECT_EQ(answer.value.frames[3].return_address, VirtAddr());
}

TEST_F(StackX86, ReadsTheCodeOfABreakRoutine) {
    machine.push(sp, (nt_base + allocator + 0x50).value);
    VirtAddr ebp = chain(sp + 0x20, {driver + writer + 0x50});
    auto answer = walk(nt_base + break_rva, sp, ebp);
    EXPECT_EQ(sites(answer), (Sites{"nt!DbgBreakPoint", "nt!ExAllocatePoolWithTag+0x50", "leaky!LeakyWrite+0x50"}));
    EXPECT_EQ(answer.value.frames[0].base, sp - 4) << "right below the return address, as kd counts";
    EXPECT_EQ(answer.value.frames[1].base, ebp);
}

TEST_F(StackX86, KnowsHowFarAPrologIs) {
    // At each of these places kd itself loses the caller, since ebp is still the caller's.
    VirtAddr caller_ebp = chain(sp + 0x80, {nt_base + dispatcher + 0x50});
    struct Place {
        std::uint64_t offset, pushed;
    };
    for (Place place : {Place{0, 0}, {2, 0}, {3, 4}}) {
        VirtAddr esp = sp + 0x40;
        machine.push(esp, caller_ebp.value);
        machine.push(esp + place.pushed, (driver + writer + 0x50).value);
        auto answer = walk(nt_base + allocator + place.offset, esp, caller_ebp);
        ASSERT_EQ(answer.value.frames.size(), 3u) << place.offset;
        EXPECT_EQ(answer.value.frames[1].ip, driver + writer + 0x50) << place.offset;
        EXPECT_EQ(answer.value.frames[2].ip, nt_base + dispatcher + 0x50) << place.offset;
    }
}

TEST_F(StackX86, AFunctionWithoutBranchesIsFollowedToItsEnd) {
    // push edi; push esi; pop esi; pop edi; ret 10h: in the epilog the pushed values lie below the stack pointer.
    machine.code(nt_base + allocator, {0x57, 0x56, 0x5e, 0x5f, 0xc2, 0x10, 0x00});
    VirtAddr ebp = chain(sp + 0x80, {nt_base + dispatcher + 0x50});
    const VirtAddr slot = sp + 0x40;
    machine.push(slot - 8, 0x51);
    machine.push(slot - 4, 0xd1);
    machine.push(slot, (driver + writer + 0x50).value);
    for (std::uint64_t at = 0; at < 5; ++at) {
        const std::uint64_t below = at == 0 || at == 4 ? 0 : at == 2 ? 8 : 4;
        machine.set("esi", at < 2 || at >= 3 ? 0x51 : 0xdead);
        machine.set("edi", at < 1 || at >= 4 ? 0xd1 : 0xdead);
        auto answer = walk(nt_base + allocator + at, slot - below, ebp);
        ASSERT_EQ(answer.value.frames.size(), 3u) << at;
        EXPECT_EQ(answer.value.frames[1].ip, driver + writer + 0x50) << at;
        EXPECT_EQ(answer.value.frames[1].registers.gpr[rsi], 0x51u) << at;
        EXPECT_EQ(answer.value.frames[1].registers.gpr[rdi], 0xd1u) << at;
    }
}

TEST_F(StackX86, FpoRecordsCountWhatLiesOnTheStack) {
    FrameRecord fpo = record(allocator, Kind::fpo);
    fpo.locals = 0x10;
    fpo.saved_registers = 8;
    fpo.parameters = 12;
    machine.symbols("nt").add(fpo);
    FrameRecord caller = record(writer, Kind::fpo);
    caller.locals = 8;
    caller.parameters = 8;
    machine.symbols("leaky").add(caller);
    machine.push(sp + 0x18, (driver + writer + 0x50).value);
    // The writer's frame: twelve bytes of arguments for the allocator, eight of locals, the return address.
    machine.push(sp + 0x1c + 12 + 8, (nt_base + dispatcher + 0x50).value);
    VirtAddr ebp = chain(sp + 0x80, {nt_base + start + 0x50}); // the dispatcher's, which nobody has touched since
    auto answer = walk(nt_base + allocator + 0x80, sp, ebp);
    EXPECT_EQ(sites(answer), (Sites{"nt!ExAllocatePoolWithTag+0x80", "leaky!LeakyWrite+0x50", "nt!IofCallDriver+0x50",
                                    "nt!PspSystemThreadStartup+0x50"}));
    EXPECT_EQ(answer.value.frames[0].method, UnwindMethod::frame_record);
    EXPECT_EQ(answer.value.frames[1].base, sp + 0x1c + 12 + 4);
    EXPECT_TRUE(answer.value.frames[1].record);
}

TEST_F(StackX86, FramePrograms) {
    FrameRecord by_search =
        record(allocator, Kind::program, "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + = $ebp $T0 4 - ^ =");
    by_search.locals = 0xc;
    by_search.saved_registers = 4;
    by_search.parameters = 12;
    machine.symbols("nt").add(by_search);
    machine.symbols("leaky").add(
        record(writer, Kind::program, "$T0 $ebp 4 + = $eip $T0 ^ = $esp $T0 4 + = $ebp $T0 4 - ^ ="));
    // The allocator had pushed two words for a call that it had not made.
    machine.push(sp + 0x18, (driver + writer + 0x50).value);
    VirtAddr writer_ebp = chain(sp + 0x40, {nt_base + dispatcher + 0x50});
    machine.push(sp + 0x14, writer_ebp.value);
    auto answer = walk(nt_base + allocator + 0x80, sp, VirtAddr(0x1234));
    ASSERT_GE(answer.value.frames.size(), 2u) << answer.value.note;
    EXPECT_EQ(answer.value.frames[1].ip, driver + writer + 0x50);
    EXPECT_EQ(sites(answer),
              (Sites{"nt!ExAllocatePoolWithTag+0x80", "leaky!LeakyWrite+0x50", "nt!IofCallDriver+0x50"}));
}

TEST_F(StackX86, CrossesATrap) {
    // The allocator was interrupted; the handler called the dispatcher's function with ebp at the trap frame.
    const VirtAddr frame = sp + 0x100;
    for (auto [offset, value] :
         std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{{0x00, (sp + 0x200).value},
                                                                        {0x04, (nt_base + allocator + 0x80).value},
                                                                        {0x08, 0xbadb0d00},
                                                                        {0x5c, 0xb0b},
                                                                        {0x60, (sp + 0x200).value},
                                                                        {0x64, 2},
                                                                        {0x68, (nt_base + allocator + 0x80).value},
                                                                        {0x6c, 8},
                                                                        {0x70, 0x246}})
        machine.push(frame + offset, value);
    chain(sp + 0x200, {driver + writer + 0x50, nt_base + dispatcher + 0x50});
    machine.push(sp + 0x20, frame.value);
    machine.push(sp + 0x24, (nt_base + trap + 0x50).value);
    auto answer = walk(nt_base + allocator + 0x90, sp, sp + 0x20);
    EXPECT_EQ(sites(answer),
              (Sites{"nt!ExAllocatePoolWithTag+0x90", "nt!KiTrap0E+0x50", "nt!ExAllocatePoolWithTag+0x80",
                     "leaky!LeakyWrite+0x50", "nt!IofCallDriver+0x50"}));
    ASSERT_GE(answer.value.frames.size(), 3u);
    EXPECT_EQ(name_frames(machine.kernel(), answer.value)[1].trap_frame, frame);
    EXPECT_EQ(answer.value.frames[1].base, frame);
    const Frame& interrupted = answer.value.frames[2];
    EXPECT_TRUE(interrupted.interrupted);
    EXPECT_EQ(interrupted.sp, frame + 0x74) << "the processor pushes no esp without a change of rings";
    EXPECT_EQ(interrupted.registers.gpr[rbx], 0xb0bu);
}

TEST_F(StackX86, ATrapFromUserModeEndsTheWalk) {
    const VirtAddr frame = sp + 0x100;
    machine.symbols("nt").add(record(trap, Kind::trap));
    for (auto [offset, value] : std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{
             {0x60, 0x12ff30}, {0x68, 0x7c90eb94}, {0x6c, 0x1b}, {0x70, 0x246}, {0x74, 0x12ff20}})
        machine.push(frame + offset, value);
    auto answer = walk(nt_base + trap + 0x50, sp, frame);
    EXPECT_EQ(answer.value.end, StackEnd::user_mode);
    EXPECT_EQ(sites(answer), (Sites{"nt!KiTrap0E+0x50", "0x7c90eb94"}));
    EXPECT_EQ(answer.value.frames.back().sp, VirtAddr(0x12ff20));
}

TEST_F(StackX86, ScansTheStackAsALastResort) {
    // A function without frame pointer and record: the call to it is told from an older call to another function.
    machine.code(nt_base + allocator, {0x83, 0xec, 0x20, 0x74, 0x00});
    machine.push(sp + 0x10, (nt_base + start + 0x50).value); // to the dispatcher
    machine.push(sp + 0x24, (driver + writer + 0x50).value);
    VirtAddr ebp = chain(sp + 0x40, {nt_base + dispatcher + 0x50});
    auto answer = walk(nt_base + allocator + 0x80, sp, ebp);
    EXPECT_EQ(sites(answer),
              (Sites{"nt!ExAllocatePoolWithTag+0x80", "leaky!LeakyWrite+0x50", "nt!IofCallDriver+0x50"}));
    EXPECT_EQ(answer.value.frames[0].method, UnwindMethod::scan);
    EXPECT_EQ(answer.value.frames[0].warning, FrameWarning::no_unwind_info);
    EXPECT_EQ(answer.value.frames[1].warning, FrameWarning::none);
}

TEST_F(StackX86, AThreadBeginsWithAnEbpOfZero) {
    VirtAddr ebp = chain(sp + 0x20, {nt_base + start + 0x50});
    machine.push(ebp, 0);
    auto answer = walk(nt_base + allocator + 0x80, sp, ebp);
    EXPECT_EQ(answer.value.end, StackEnd::complete) << answer.value.note;
    EXPECT_EQ(sites(answer), (Sites{"nt!ExAllocatePoolWithTag+0x80", "nt!PspSystemThreadStartup+0x50"}));
    EXPECT_EQ(answer.value.frames[1].base, VirtAddr());
    EXPECT_EQ(answer.value.frames[1].warning, FrameWarning::none);
}

TEST_F(StackX86, SaysWhereItEnds) {
    auto lost = walk(nt_base + allocator + 0x80, sp, VirtAddr(4));
    EXPECT_EQ(lost.value.end, StackEnd::implausible);
    EXPECT_EQ(lost.value.frames.size(), 1u);
    EXPECT_FALSE(lost.coverage.complete());
    auto unreadable = walk(nt_base + allocator + 0x80, VirtAddr(0xfffffffff0000000), VirtAddr(4));
    EXPECT_EQ(unreadable.value.end, StackEnd::unreadable);
    EXPECT_EQ(unreadable.value.note, "The stack cannot be read at f0000000");
    auto nowhere = walk(VirtAddr(0xffffffff90000000), sp, VirtAddr(4));
    EXPECT_EQ(nowhere.value.frames.front().warning, FrameWarning::no_module);
}

TEST_F(StackX86, ARecordThatLeadsNowhereLeavesOtherWays) {
    machine.symbols("nt").add(record(allocator, Kind::program, "$T0 nonsense ="));
    VirtAddr ebp = chain(sp + 0x40, {driver + writer + 0x50});
    machine.push(sp + 0x44, (driver + writer + 0x50).value);
    auto answer = walk(nt_base + allocator + 0x80, sp, ebp);
    EXPECT_EQ(answer.value.frames[0].warning, FrameWarning::no_unwind_info);
    ASSERT_GE(answer.value.frames.size(), 2u);
    EXPECT_EQ(answer.value.frames[1].ip, driver + writer + 0x50);
}

} // namespace
} // namespace poolkd::code::stack_x86_test
