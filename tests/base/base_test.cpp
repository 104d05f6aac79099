#include "base/coverage.h"
#include "base/machine.h"
#include "base/tag.h"
#include "base/text.h"

#include <gtest/gtest.h>

namespace poolkd {
namespace {

TEST(Tag, TextIsInMemoryOrder) {
    EXPECT_EQ(PoolTag(0x20636241).text(), "Abc ");
    EXPECT_EQ(PoolTag::from_text("Abc")->value, 0x20636241u);
    EXPECT_EQ(PoolTag(0x20636241).reversed().text(), " cbA");
    EXPECT_EQ(PoolTag(0xe56c6946).bare().text(), "File");
    EXPECT_TRUE(PoolTag(0xe56c6946).is_protected());
    EXPECT_EQ(PoolTag(0x4e4d4cf3).text(), ".LMN");
    EXPECT_FALSE(PoolTag::from_text("Abcde"));
}

TEST(Tag, PatternsKnowOnlyStarAndQuestionMark) {
    PoolTag abc(0x20636241);
    EXPECT_TRUE(tag_matches(abc, "Abc"));
    EXPECT_TRUE(tag_matches(abc, "Abc "));
    EXPECT_TRUE(tag_matches(abc, "Ab*"));
    EXPECT_TRUE(tag_matches(abc, "?bc?"));
    EXPECT_FALSE(tag_matches(abc, "abc "));
    EXPECT_FALSE(tag_matches(abc, "A#c"));
    EXPECT_TRUE(tag_matches(*PoolTag::from_text("A#c"), "A#c "));
}

TEST(Wildcard, FollowsKdsRules) {
    EXPECT_TRUE(wildcard_match("*pool*tag", "ExAllocatePoolWithTag"));
    EXPECT_TRUE(wildcard_match("Ex[A-F]*", "exfreepool"));
    EXPECT_TRUE(wildcard_match("fo#", "f"));
    EXPECT_TRUE(wildcard_match("fo#", "fooo"));
    EXPECT_FALSE(wildcard_match("fo+", "f"));
    EXPECT_TRUE(wildcard_match("fo+", "fo"));
    EXPECT_TRUE(wildcard_match("fo+", "foooo"));
    EXPECT_FALSE(wildcard_match("fo+", "fooox"));
    EXPECT_TRUE(wildcard_match("a\\*b", "a*b"));
    EXPECT_FALSE(wildcard_match("a\\*b", "axxb"));
    // No blow-up for many stars.
    EXPECT_FALSE(wildcard_match("*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}

TEST(RegisterFile, PartsReadAndWriteTheirRegister) {
    RegisterFile registers(x64_machine(), ByteVector(0x4d0));
    EXPECT_TRUE(registers.set("rax", 0x1122334455667788));
    EXPECT_EQ(registers.get("EAX"), 0x55667788u);
    EXPECT_EQ(registers.get("ah"), 0x77u);
    EXPECT_TRUE(registers.set("al", 0xff));
    EXPECT_EQ(registers.get("rax"), 0x11223344556677ffu);
    EXPECT_FALSE(registers.get("xyz"));
    registers.set("efl", 0x246);
    EXPECT_EQ(registers.get("zf"), 1u);
    EXPECT_EQ(registers.get("cf"), 0u);
}

TEST(RegisterFile, X86HasItsOwnNamesAndPlaces) {
    RegisterFile registers(x86_machine(), ByteVector(0x2cc));
    EXPECT_TRUE(registers.set("eip", 0x80401234));
    EXPECT_TRUE(registers.set("esp", 0xf8ad3c18));
    EXPECT_TRUE(registers.set("ah", 0x12));
    EXPECT_EQ(registers.get("eax"), 0x1200u);
    EXPECT_EQ(registers.ip(), VirtAddr(0xffffffff80401234)) << "addresses are held sign-extended";
    EXPECT_EQ(registers.sp(), VirtAddr(0xfffffffff8ad3c18));
    EXPECT_FALSE(registers.get("rip"));
    EXPECT_EQ(load_or<std::uint32_t>(registers.bytes(), 0xb8), 0x80401234u);
    EXPECT_EQ(load_or<std::uint32_t>(registers.bytes(), 0xc4), 0xf8ad3c18u);
}

TEST(Machine, EachIsFoundByItsNumber) {
    EXPECT_EQ(find_machine(0x14c), &x86_machine());
    EXPECT_EQ(find_machine(0x8664), &x64_machine());
    EXPECT_EQ(find_machine(0xaa64), nullptr);
    for (const Machine* machine : {&x64_machine(), &x86_machine()}) {
        for (std::string_view name : {machine->instruction_pointer, machine->stack_pointer, machine->frame_pointer,
                                      machine->flags, machine->result, machine->break_status})
            EXPECT_TRUE(machine->find_register(name)) << name;
        for (const RegisterSlot& slot : machine->registers)
            EXPECT_LE(slot.offset + slot.size, static_cast<int>(machine->context_core_size)) << slot.name;
        for (const SubRegister& part : machine->sub_registers)
            EXPECT_TRUE(machine->find_register(part.parent)) << part.name;
        for (const RegisterSlot& slot : machine->special_registers)
            EXPECT_LE(slot.offset + slot.size, static_cast<int>(machine->special_size)) << slot.name;
    }
}

TEST(Machine, SpecialRegistersMayBeCutOff) {
    ByteVector record(0x54);
    store(record, 0x08, std::uint32_t{0x39000});
    EXPECT_EQ(x86_machine().special(record, "cr3"), 0x39000u);
    EXPECT_EQ(x86_machine().special(Bytes(record).first(8), "cr3"), std::nullopt);
    EXPECT_EQ(x86_machine().special(record, "cr8"), std::nullopt);
}

TEST(Coverage, SaysWhatIsMissingAndWhy) {
    Coverage coverage;
    coverage.add_read(100);
    EXPECT_TRUE(coverage.complete());
    EXPECT_TRUE(coverage.sentence().empty());
    coverage.add_gap(GapReason::unmapped, VirtAddr(0x1000), 0x1000);
    coverage.add_gap(GapReason::unmapped, VirtAddr(0x2000), 0x1000);
    EXPECT_EQ(coverage.gaps().size(), 1u);
    EXPECT_EQ(coverage.missing(), 0x2000u);
    EXPECT_NE(coverage.sentence().find("8192 of 8292"), std::string::npos);
    coverage.add_gap(GapReason::stopped, VirtAddr(0x9000), 0);
    EXPECT_TRUE(coverage.stopped());
}

} // namespace
} // namespace poolkd
