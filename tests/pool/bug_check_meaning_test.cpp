#include "pool/bug_check_meaning.h"
#include "pool/heap_failure.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <gmock/gmock.h>

namespace poolkd::pool {
namespace {

using ::testing::HasSubstr;

/// A bug check, and what its parameters are: numbers of them, 0 for none.
struct Meant {
    std::uint64_t code, subcode;
    Suspect suspect;
    unsigned block = 0;
    Pointee pointee = Pointee::none;
    unsigned tag = 0, freed_as = 0;
};

class BugCheckMeaningTest : public ::testing::Test {
  protected:
    BugCheckMeaningTest() {
        target.edit_identity().kernel_base = VirtAddr(0xfffff80000000000);
        kernel.emplace(target, [this](nt::Module& module) {
            module.symbols = symbols;
            module.symbol_state = nt::SymbolState::loaded;
        });
    }
    std::optional<BugCheckMeaning> meaning(std::uint64_t code, std::array<std::uint64_t, 4> parameters) {
        return meaning_of(nt::BugCheck{code, parameters}, *kernel);
    }
    /// The enumeration as Windows 8.1 has it: without heap_failure_invalid_allocation_type.
    void add_older_enumeration() {
        symbols::Type type;
        type.kind = symbols::TypeKind::enumeration;
        type.name = "_HEAP_FAILURE_TYPE";
        type.enumerators = {{"heap_failure_internal", 0},
                            {"heap_failure_invalid_argument", 9},
                            {"heap_failure_usage_after_free", 10},
                            {"heap_failure_cross_heap_operation", 11},
                            {"heap_failure_of_tomorrow", 12}};
        symbols->add(std::move(type));
    }

    testing::FakeTarget target;
    std::shared_ptr<testing::FakeSymbols> symbols = std::make_shared<testing::FakeSymbols>();
    std::optional<nt::Kernel> kernel;
};

constexpr Suspect caller = Suspect::caller, owner = Suspect::owner, previous = Suspect::previous_owner;
constexpr Pointee header = Pointee::header, body = Pointee::body;

// Which parameter is what. Source: Microsoft's public bug check code reference.
constexpr Meant all_meant[] = {
    {0x19, 0x02, owner, 2, header},
    {0x19, 0x03, owner, 2, header},
    {0x19, 0x05, previous, 4, header},
    {0x19, 0x06, previous, 4, header},
    {0x19, 0x07, previous, 4, header},
    {0x19, 0x08, previous, 4, header},
    {0x19, 0x09, previous, 4, header},
    {0x19, 0x0a, previous, 2, header},
    {0x19, 0x0d, previous, 2, header},
    {0x19, 0x0e, previous, 2, header},
    {0x19, 0x0f, previous, 2, header},
    {0x19, 0x20, previous, 2, header},
    {0x19, 0x21, owner, 2, body},
    {0x19, 0x22, caller, 2, body},
    {0x19, 0x23, previous, 2, header},
    {0x19, 0x24, previous, 2, header},
    {0x19, 0x25, previous, 2, header},
    {0xc2, 0x00, caller, 0, Pointee::none, 4},
    {0xc2, 0x01, previous, 2, header},
    {0xc2, 0x02, previous, 2, header},
    {0xc2, 0x04, previous, 2, header},
    {0xc2, 0x06, caller, 3, header},
    {0xc2, 0x07, caller, 4, body},
    {0xc2, 0x08, caller},
    {0xc2, 0x09, caller, 4, body},
    {0xc2, 0x0a, caller, 2, body, 3, 4},
    {0xc2, 0x0b, owner, 2, body, 3},
    {0xc2, 0x0c, owner, 2, body, 3},
    {0xc2, 0x0d, owner, 2, body, 3},
    {0xc2, 0x40, caller, 2, body},
    {0xc2, 0x41, caller, 2, body},
    {0xc2, 0x42, caller, 2, body},
    {0xc2, 0x43, caller, 2, body},
    {0xc2, 0x44, caller, 2, body},
    {0xc2, 0x46, caller, 2, body},
    {0xc2, 0x47, caller, 2, body},
    {0xc2, 0x48, caller, 2, body},
    {0xc2, 0x50, caller, 2, body},
    {0xc2, 0x60, caller, 2, body},
    {0xc2, 0x62, owner},
    {0xc2, 0x99, caller, 2, body},
    {0xc2, 0x9a, caller, 0, Pointee::none, 4},
    {0xc2, 0x9b, caller},
    {0xc2, 0x9c, caller},
    {0xc2, 0x9d, caller, 0, Pointee::none, 2},
    {0xc2, 0x41286, caller},
    {0xc4, 0x00, caller},
    {0xc4, 0x01, caller},
    {0xc4, 0x02, caller},
    {0xc4, 0x10, caller, 2, body},
    {0xc4, 0x11, caller, 4, body},
    {0xc4, 0x12, caller, 4, body},
    {0xc4, 0x13, caller, 3, header},
    {0xc4, 0x14, caller, 3, header},
    {0xc4, 0x15, caller, 4, body},
    {0xc4, 0x16, caller, 3, body},
    {0xc4, 0x17, caller, 4, body},
    {0xc4, 0x60, Suspect::unloaded_driver},
    {0xc4, 0x61, Suspect::unloaded_driver},
    {0xc4, 0x62, Suspect::unloaded_driver},
    {0xc4, 0xcc, caller, 3, body},
    {0xc4, 0xd2, caller, 3, body},
    {0xc4, 0x2000, caller, 0, Pointee::none, 4},
};

TEST_F(BugCheckMeaningTest, OfEachSubcodeTheParametersHaveTheirPlaces) {
    constexpr std::uint64_t second = 0xffffa00000001110, third = 0xffffa00000002220, fourth = 0xffffa00000003330;
    for (const Meant& meant : all_meant) {
        SCOPED_TRACE(fmt::format("{:#x} {:#x}", meant.code, meant.subcode));
        const std::array<std::uint64_t, 4> parameters{meant.subcode, second, third, fourth};
        const auto got = meaning(meant.code, parameters);
        ASSERT_TRUE(got);
        EXPECT_FALSE(got->what.empty());
        EXPECT_EQ(got->arguments[0], "what went wrong");
        EXPECT_EQ(got->suspect, meant.suspect);
        EXPECT_EQ(got->block.value, meant.block == 0 ? 0 : parameters[meant.block - 1]);
        EXPECT_EQ(got->pointee, meant.pointee);
        auto tag = [&](unsigned number) {
            return number == 0 ? std::nullopt
                               : std::optional(PoolTag(static_cast<std::uint32_t>(parameters[number - 1])));
        };
        EXPECT_EQ(got->tag, tag(meant.tag));
        EXPECT_EQ(got->freed_as, tag(meant.freed_as));
    }
    for (const std::uint64_t code : std::initializer_list<std::uint64_t>{0x19, 0xc1, 0xc2, 0xc4})
        EXPECT_FALSE(meaning(code, {0x7777, second, third, 0x7777})) << std::hex << code;
}

TEST_F(BugCheckMeaningTest, ADamagedEntryThatIsNotNamedLeavesTheOther) {
    const auto got = meaning(0x19, {0x6, 0xffffa00000001110, 0, 0});
    EXPECT_EQ(got->block, VirtAddr(0xffffa00000001110));
    EXPECT_EQ(got->arguments[3], "the damaged entry that led there");
}

TEST_F(BugCheckMeaningTest, TheAddressIsTheFirstParameterOfPageFaults) {
    constexpr std::uint64_t address = 0xffffa00000001110;
    for (const std::uint64_t code :
         std::initializer_list<std::uint64_t>{0x50, 0xc5, 0xc6, 0xcc, 0xcd, 0xd0, 0xd5, 0xd6}) {
        const auto got = meaning(code, {address, 2, 0xfffff80000001000, 4});
        ASSERT_TRUE(got) << std::hex << code;
        EXPECT_EQ(got->block, VirtAddr(address)) << std::hex << code;
        EXPECT_EQ(got->pointee, Pointee::body);
        EXPECT_EQ(got->suspect, code == 0xc5 || code == 0xd0 ? Suspect::unknown : Suspect::caller);
        EXPECT_THAT(got->arguments[0], HasSubstr("the address that was"));
    }
    EXPECT_EQ(meaning(0xc6, {address, 1, 0, 0})->arguments[2], "the processor's mode: 0 kernel, 1 user");
    EXPECT_EQ(meaning(0xd0, {address, 2, 1, address})->arguments[1], "the IRQL");
}

TEST_F(BugCheckMeaningTest, APageFaultSaysWhatIsWithThePage) {
    const std::pair<std::uint64_t, std::string_view> kinds[] = {{0, "says that it is free"},
                                                                {2, "no page table maps"},
                                                                {3, "of a session"},
                                                                {4, "not canonical"},
                                                                {0xf, "user memory"}};
    for (const auto& [kind, words] : kinds)
        EXPECT_THAT(meaning(0x50, {0xffffa00000001110, 0, 0, kind})->arguments[3], HasSubstr(words));
    EXPECT_EQ(meaning(0x50, {0xffffa00000001110, 0, 0, 0x12})->arguments[3], "");
}

TEST_F(BugCheckMeaningTest, SpecialPoolHasItsSubcodeLast) {
    constexpr std::uint64_t address = 0xffffa00000001ff0, page = 0xffffa00000001ff8;
    for (const std::uint64_t kind : std::initializer_list<std::uint64_t>{0x20, 0x21, 0x22, 0x23, 0x24}) {
        const auto got = meaning(0xc1, {address, page, 0, kind});
        ASSERT_TRUE(got) << std::hex << kind;
        EXPECT_EQ(got->block, VirtAddr(address));
        EXPECT_EQ(got->arguments[0], "the address that was freed");
        EXPECT_EQ(got->arguments[3], "what went wrong");
    }
    EXPECT_THAT(meaning(0xc1, {address, page, 0, 0x24})->what, HasSubstr("past whose end was written"));
    EXPECT_EQ(meaning(0xc1, {2, 0, 0x100, 0x30})->block, VirtAddr());
    EXPECT_EQ(meaning(0xc1, {2, 0, address, 0x31})->block, VirtAddr(address));
    EXPECT_EQ(meaning(0xc1, {2, 0, address, 0x32})->arguments[0], "the IRQL");
}

TEST_F(BugCheckMeaningTest, MemoryThatRanOut) {
    EXPECT_EQ(meaning(0x3f, {0, 64, 12, 5000})->arguments[0], "they were for the system (0)");
    EXPECT_EQ(meaning(0x3f, {1, 64, 12, 5000})->arguments[0], "they were for nonpaged pool to grow (1)");
    const auto other = meaning(0x3f, {7, 64, 12, 5000});
    EXPECT_EQ(other->arguments,
              (std::array<std::string_view, 4>{"what they were for", "the entries that were asked for",
                                               "the entries that are free", "all entries"}));
    EXPECT_EQ(other->suspect, Suspect::nobody);
    EXPECT_EQ(other->block, VirtAddr());
    EXPECT_EQ(meaning(0x41, {4096, 10, 3, 0})->arguments[0], "the bytes asked for");
}

TEST_F(BugCheckMeaningTest, DamageOfTheHeapIsToldByTheSymbols) {
    constexpr std::uint64_t heap = 0xffffa00000000000, where = 0xffffa00000001110;
    auto kind = [&](std::uint64_t number) { return meaning(0x13a, {number, heap, where, 0}); };
    const auto overrun = kind(6);
    EXPECT_EQ(overrun->block, VirtAddr(where));
    EXPECT_EQ(overrun->pointee, Pointee::body);
    EXPECT_EQ(overrun->suspect, Suspect::owner);
    // Without symbols, by the newest numbers.
    EXPECT_THAT(kind(10)->arguments[0], HasSubstr("heap_failure_invalid_allocation_type"));
    EXPECT_THAT(kind(11)->arguments[0], HasSubstr("heap_failure_usage_after_free"));
    EXPECT_THAT(kind(17)->arguments[0], HasSubstr("heap_failure_segment_lfh_double_free"));
    EXPECT_EQ(kind(17)->suspect, Suspect::caller);
    EXPECT_EQ(kind(3)->suspect, Suspect::previous_owner);
    EXPECT_EQ(kind(21)->suspect, Suspect::nobody);
    EXPECT_EQ(kind(23)->arguments[0], "the kind of damage");
    EXPECT_EQ(kind(23)->suspect, Suspect::unknown);
    add_older_enumeration();
    EXPECT_THAT(kind(10)->arguments[0], HasSubstr("heap_failure_usage_after_free"));
    EXPECT_THAT(kind(11)->arguments[0], HasSubstr("heap_failure_cross_heap_operation"));
    EXPECT_EQ(kind(11)->suspect, Suspect::caller);
    EXPECT_EQ(kind(12)->arguments[0], "the kind of damage") << "a name that is not known";
    EXPECT_EQ(kind(17)->arguments[0], "the kind of damage") << "the kernel has no such number";
}

} // namespace
} // namespace poolkd::pool
