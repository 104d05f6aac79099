#include "hunt/new_tags.h"
#include "hunt/retag.h"
#include "pe/image_builder.h"
#include "support/fake_pool.h"
#include "support/temporary_directory.h"

#include <gmock/gmock.h>

namespace poolkd::hunt {
namespace {

using code::ModuleSites;
using code::PoolSite;
using code::SiteKind;
using code::TagSource;
using testing::FakePoolKernel;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t image_size = 0x4000;
constexpr std::uint32_t code_rva = 0x400;
constexpr VirtAddr kernel_base(FakePoolKernel::base);
const PoolTag abc = *PoolTag::from_text("Abc ");

/// A kernel with a pool, and drivers whose code is one call after the other: each site a function of its own.
class Retag : public ::testing::Test {
  protected:
    Retag() : journal(*fake.kernel, folder.path()) {
        memory().map(kernel_base, image_size);
        EXPECT_TRUE(journal.attach());
        fake.put_row(FakePoolKernel::tracker, 0, {"Abc ", 0, 0, 0, 1000, 900, 64000});
    }

    testing::FakeMemory& memory() { return fake.target.virtual_memory(); }

    ModuleSites& driver(std::string name, std::uint64_t base) {
        auto& module = modules.emplace_back(std::make_unique<ModuleSites>());
        module->module = std::move(name);
        module->base = VirtAddr(base);
        module->size = image_size;
        module->index.code_bytes = 0x1000;
        memory().map(module->base, image_size);
        next_rva[module.get()] = code_rva;
        return *module;
    }
    /// `opcode`, the tag, a call.
    PoolSite& site(ModuleSites& module, SiteKind kind, std::initializer_list<unsigned> opcode, PoolTag tag = abc) {
        const std::uint32_t rva = next_rva[&module];
        next_rva[&module] += 0x20;
        PoolSite made;
        made.function_rva = rva;
        made.function = fmt::format("F{}", module.index.sites.size());
        made.kind = kind;
        made.api = kind == SiteKind::release ? "ExFreePoolWithTag" : "ExAllocatePoolWithTag";
        made.tag = tag;
        made.tag_source = TagSource::constant;
        made.tag_rva = rva + static_cast<std::uint32_t>(opcode.size());
        made.rva = *made.tag_rva + 4;
        made.return_rva = made.rva + 5;
        memory().put(module.base + rva, opcode);
        memory().put_value(module.base + *made.tag_rva, tag.value);
        memory().put(module.base + made.rva, {0xe8, 0, 0, 0, 0, 0xc3});
        return module.index.sites.emplace_back(std::move(made));
    }
    PoolSite& allocation(ModuleSites& module, PoolTag tag = abc) { // mov r8d, tag
        return site(module, SiteKind::allocation, {0x41, 0xb8}, tag);
    }
    PoolSite& release(ModuleSites& module, PoolTag tag = abc) { // mov edx, tag
        return site(module, SiteKind::release, {0xba}, tag);
    }
    /// Two allocation sites and a free site.
    ModuleSites& usual_driver() {
        ModuleSites& module = driver("leaky", 0xfffff88000000000);
        allocation(module);
        allocation(module);
        release(module);
        return module;
    }

    /// Sections: .text at 0x1000, .rdata at 0x2000, INIT, which is freed after the start, at 0x3000.
    void put_headers(VirtAddr base, std::string_view text_name = ".text") {
        testing::ImageBuilder image;
        image.section(0, text_name, 0x1000, 0x400, 0x60000020);
        memory().put(base, image.memory().first(0x400));
    }

    RetagPlan plan(PoolTag tag = abc) {
        auto made = plan_retag(*fake.kernel, journal, all_modules(), tag, work);
        EXPECT_TRUE(made) << made.error().message;
        return made.value_or(RetagPlan{});
    }
    std::vector<std::uint32_t> apply(bool force = false) {
        auto written = apply_retag(*fake.kernel, journal, plan(), force);
        EXPECT_TRUE(written) << written.error().message;
        return written.value_or(std::vector<std::uint32_t>{});
    }
    Result<Answer<std::vector<RetagState>>> states_now() {
        return read_retags(*fake.kernel, journal, all_modules(), work);
    }
    std::vector<const ModuleSites*> all_modules() {
        std::vector<const ModuleSites*> all;
        for (const auto& module : modules)
            all.push_back(module.get());
        return all;
    }
    control::UndoOutcome undo(control::Journal& from, bool force = false) {
        auto outcome = undo_retags(*fake.kernel, from, std::nullopt, force, work);
        EXPECT_TRUE(outcome) << outcome.error().message;
        return outcome.value_or(control::UndoOutcome{});
    }
    /// Refused for this reason alone; `forceable` or not.
    void expect_refused(std::string_view why, bool forceable) {
        RetagPlan made = plan();
        EXPECT_FALSE(made.possible(false));
        EXPECT_EQ(made.possible(true), forceable) << made.refusal(true);
        EXPECT_THAT(made.refusal(false), HasSubstr(std::string(why)));
        const std::size_t writes = fake.target.writes().size();
        auto applied = apply_retag(*fake.kernel, journal, made, false);
        ASSERT_FALSE(applied);
        EXPECT_EQ(applied.error().kind, ErrorKind::refused);
        EXPECT_EQ(fake.target.writes().size(), writes);
    }
    PoolTag tag_at(const ModuleSites& module, std::size_t number) {
        return PoolTag(memory().value<std::uint32_t>(module.base + *module.index.sites[number].tag_rva).value_or(0));
    }

    FakePoolKernel fake;
    testing::TemporaryDirectory folder;
    control::Journal journal;
    Work work;
    std::vector<std::unique_ptr<ModuleSites>> modules;
    std::map<const ModuleSites*, std::uint32_t> next_rva;
};

std::vector<std::string> texts(const std::vector<PoolTag>& tags) {
    std::vector<std::string> all;
    for (PoolTag tag : tags)
        all.push_back(tag.text());
    return all;
}

TEST(NewTags, BeginAsTheOldOneAndAreUnused) {
    const std::set<PoolTag> taken{*PoolTag::from_text("Ab02")};
    EXPECT_EQ(texts(make_new_tags(abc, 2, taken)), (std::vector<std::string>{"Ab01", "Ab03"}));
    EXPECT_EQ(texts(make_new_tags(PoolTag(0x09fe4f01), 1, {})), (std::vector<std::string>{"xO01"}));
    const std::vector<PoolTag> many = make_new_tags(abc, 150, taken);
    EXPECT_EQ(many.size(), 150u);
    EXPECT_EQ(std::set<PoolTag>(many.begin(), many.end()).size(), 150u);
}

TEST_F(Retag, EachAllocationSiteGetsAnUnusedTagAndFreeSitesZero) {
    ModuleSites& leaky = usual_driver();
    fake.put_row(FakePoolKernel::tracker, 1, {"Ab01", 1, 1, 0});                  // was used once
    allocation(driver("other", 0xfffff88001000000), *PoolTag::from_text("Ab02")); // has a site
    RetagPlan made = plan();
    EXPECT_TRUE(made.possible(false)) << made.refusal(false);
    ASSERT_EQ(made.allocations.size(), 2u);
    ASSERT_EQ(made.releases.size(), 1u);
    EXPECT_EQ(made.allocations[0].new_tag.text(), "Ab03");
    EXPECT_EQ(made.allocations[1].new_tag.text(), "Ab04");
    EXPECT_EQ(made.releases[0].new_tag.value, 0u);
    EXPECT_EQ(made.allocations[0].places[0].text, "leaky!F0+0x6");
    EXPECT_TRUE(fake.target.writes().empty());

    apply();
    ASSERT_EQ(fake.target.writes().size(), 3u);
    EXPECT_EQ(fake.target.writes()[0].first, leaky.base + *leaky.index.sites[2].tag_rva); // the free site first
    EXPECT_EQ(tag_at(leaky, 0).text(), "Ab03");
    EXPECT_EQ(tag_at(leaky, 1).text(), "Ab04");
    EXPECT_EQ(tag_at(leaky, 2).value, 0u);
    ASSERT_EQ(journal.open_writes().size(), 3u);
    EXPECT_EQ(journal.entries()[1].note, "!retag 'Abc ': leaky!F0+0x6");
}

TEST_F(Retag, TagsGivenAtTheSameStopAreTaken) {
    usual_driver();
    const PoolTag similar = *PoolTag::from_text("Abd ");
    ModuleSites& other = driver("other", 0xfffff88001000000);
    allocation(other, similar);
    allocation(other, similar);
    apply();
    RetagPlan made = plan(similar);
    ASSERT_EQ(made.allocations.size(), 2u);
    EXPECT_EQ(made.allocations[0].new_tag.text(), "Ab03");
}

TEST_F(Retag, FreesInOtherDriversArePatchedToo) {
    usual_driver();
    ModuleSites& receiver = driver("receiver", 0xfffff88001000000);
    release(receiver);
    apply();
    EXPECT_EQ(tag_at(receiver, 0).value, 0u);
}

TEST_F(Retag, ATargetThatStandsInNoStateForItIsRefused) {
    usual_driver();
    fake.target.set_running(true);
    expect_refused("The target runs", false);
    fake.target.set_running(false);
    fake.target.set_writable(false);
    expect_refused("cannot be written", false);
}

TEST_F(Retag, ProtectedBlocksNeedTheirTag) {
    allocation(usual_driver(), PoolTag(abc.value | PoolTag::protected_bit));
    expect_refused("protected bit", false);
}

TEST_F(Retag, AFreeWhoseTagIsNotInMemoryIsRefused) {
    ModuleSites& leaky = usual_driver();
    leaky.index.sites[2].tag_rva = 0x3000;
    memory().unmap(leaky.base + 0x3000);
    expect_refused("The free at leaky!F2+0x5 would still name the old tag: the page with its tag is not in memory",
                   false);
}

TEST_F(Retag, AFreeInPageableCodeIsRefused) {
    ModuleSites& leaky = driver("leaky", 0xfffff88000000000);
    put_headers(leaky.base, "PAGE");
    next_rva[&leaky] = 0x1000;
    allocation(leaky);
    allocation(leaky);
    EXPECT_TRUE(plan().possible(false)) << plan().refusal(false);
    release(leaky);
    expect_refused("lies in pageable code", true);
}

TEST_F(Retag, AFreeWhoseTagLiesInNoPlaceOfItsOwnIsRefused) {
    PoolSite& computed = usual_driver().index.sites[2];
    computed.tag_rva.reset();
    computed.note = "the tag is computed";
    expect_refused("the tag is computed", false);
}

TEST_F(Retag, AConstantThatCallsDoNotClobberIsLeftAlone) {
    ModuleSites& leaky = usual_driver();
    site(leaky, SiteKind::allocation, {0xbb}); // mov ebx, tag
    RetagPlan made = plan();
    EXPECT_TRUE(made.possible(false)) << made.refusal(false);
    ASSERT_EQ(made.not_separable.size(), 1u);
    EXPECT_THAT(made.not_separable[0].why, HasSubstr("keeps the tag across calls"));
    site(leaky, SiteKind::release, {0xbe}); // mov esi, tag
    expect_refused("keeps the tag across calls", true);
}

TEST_F(Retag, AConstantWithAnotherCallInBetweenIsLeftAlone) {
    PoolSite& far = usual_driver().index.sites[2];
    memory().put(modules[0]->base + far.rva + 5, {0xe8, 0, 0, 0, 0});
    far.rva += 5;
    expect_refused("keeps the tag across calls", true);
}

TEST_F(Retag, AllocationAndFreeOnOneConstantAreRefused) {
    ModuleSites& leaky = usual_driver();
    leaky.index.sites[2].tag_rva = leaky.index.sites[0].tag_rva;
    expect_refused("share one constant", false);
}

TEST_F(Retag, AllocationsOnOneConstantShareATag) {
    ModuleSites& leaky = usual_driver();
    PoolSite second = leaky.index.sites[0];
    leaky.index.sites.push_back(second);
    RetagPlan made = plan();
    ASSERT_EQ(made.allocations.size(), 2u);
    EXPECT_EQ(made.allocations[0].places.size(), 2u);
}

TEST_F(Retag, UnknownFreesOfADriverThatHasTheTagAreRefused) {
    ModuleSites& leaky = usual_driver();
    PoolSite& unknown = release(driver("other", 0xfffff88001000000));
    unknown.tag.reset();
    unknown.tag_rva.reset();
    unknown.tag_source = TagSource::unresolved;
    EXPECT_TRUE(plan().possible(false)) << plan().refusal(false); // not of this tag's drivers
    leaky.index.sites.push_back(unknown);
    expect_refused("is not known; it may free blocks of this one", true);
}

TEST_F(Retag, AFreeingWrapperThatMayHaveCallersUnseenIsRefused) {
    PoolSite& wrapper = release(usual_driver()); // of an image without headers nothing more can be said
    wrapper.tag.reset();
    wrapper.tag_rva.reset();
    wrapper.tag_source = TagSource::parameter;
    expect_refused("Who calls leaky!F3+0x5", true);
}

TEST_F(Retag, AFreeingWrapperIsRefusedWhereItsAddressLies) {
    put_headers(kernel_base);
    fake.kernel->reload();
    ModuleSites& nt = driver("nt", kernel_base.value);
    allocation(nt);
    allocation(nt);
    release(nt);
    PoolSite& wrapper = release(nt);
    wrapper.tag.reset();
    wrapper.tag_rva.reset();
    wrapper.tag_source = TagSource::parameter;
    EXPECT_TRUE(plan().possible(false)) << plan().refusal(false);
    memory().put_value(kernel_base + 0x2008, kernel_base.value + wrapper.function_rva); // in .rdata
    expect_refused("Who calls nt!F3+0x5", true);
}

TEST_F(Retag, WhatTheIndexDidNotSeeIsRefusedWhereTheTagIs) {
    ModuleSites& leaky = usual_driver();
    ModuleSites& other = driver("other", 0xfffff88001000000);
    other.index.coverage.add_gap(GapReason::unmapped, other.base + 0x1000, 0x1000);
    RetagPlan made = plan();
    EXPECT_TRUE(made.possible(false)) << made.refusal(false);
    EXPECT_EQ(made.notes.size(), 1u);
    leaky.index.coverage.add_gap(GapReason::unmapped, leaky.base + 0x1000, 0x1000);
    expect_refused("Not all code of leaky was seen", true);
    put_headers(leaky.base);
    expect_refused("896 bytes of code could not be read", true);
    leaky.index.coverage = {};
    leaky.index.coverage.add_gap(GapReason::unmapped, leaky.base + 0x3000, 0x1000); // INIT does not come back
    EXPECT_TRUE(plan().possible(false)) << plan().refusal(false);
    leaky.index.coverage = {};
    other.error = "its headers are damaged";
    expect_refused("The code of other could not be looked through", true);
}

TEST_F(Retag, RoutinesOfWhichItIsNotKnownThatTheyTakeZeroAreRefused) {
    usual_driver().index.sites[2].api = "ExFreePool2";
    expect_refused("Whether ExFreePool2", true);
}

TEST_F(Retag, LookasideListsAndRoutinesWithATagOfTheirOwnKeepIt) {
    ModuleSites& leaky = usual_driver();
    allocation(leaky).kind = SiteKind::lookaside;
    PoolSite& fixed = allocation(leaky);
    fixed.tag_source = TagSource::fixed;
    fixed.tag_rva.reset();
    RetagPlan made = plan();
    EXPECT_TRUE(made.possible(false)) << made.refusal(false);
    EXPECT_EQ(made.allocations.size(), 2u);
    EXPECT_EQ(made.not_separable.size(), 2u);
}

TEST_F(Retag, OneSiteAloneIsNotWorthIt) {
    allocation(driver("leaky", 0xfffff88000000000));
    expect_refused("There is nothing to separate", true);
}

TEST_F(Retag, ATagThatNobodyAllocatesUnderIsTold) {
    release(driver("leaky", 0xfffff88000000000));
    expect_refused("No code that allocates under 'Abc ' was found", false);
}

TEST_F(Retag, AProcessorInsideTheBytesIsRefused) {
    ModuleSites& leaky = usual_driver();
    fake.target.edit_registers().set_ip(leaky.base + *leaky.index.sites[2].tag_rva + 1);
    expect_refused("stands inside the bytes", false);
}

TEST_F(Retag, ASecondTimeIsRefusedWhileTheFirstStands) {
    ModuleSites& leaky = usual_driver();
    apply();
    expect_refused("is retagged already", false);
    undo(journal);
    EXPECT_EQ(tag_at(leaky, 2), abc);
    apply();
    EXPECT_EQ(journal.open_writes().size(), 3u);
}

TEST_F(Retag, AFailureInTheMiddlePutsEverythingBack) {
    ModuleSites& leaky = usual_driver();
    // The second allocation site lies on a page of its own, which cannot be written.
    ModuleSites& locked = driver("locked", 0xfffff88001000000);
    allocation(locked);
    fake.target.protect_from(locked.base);
    auto applied = apply_retag(*fake.kernel, journal, plan(), false);
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().kind, ErrorKind::unwritable);
    EXPECT_THAT(applied.error().message, HasSubstr("nothing was changed"));
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(tag_at(leaky, i), abc);
    EXPECT_EQ(tag_at(locked, 0), abc);
    EXPECT_THAT(journal.open_writes(), IsEmpty());
    // The free site went back last.
    EXPECT_EQ(fake.target.writes().back().first, leaky.base + *leaky.index.sites[2].tag_rva);
}

TEST_F(Retag, UndoWaitsAtFreeSitesUntilTheNewTagsHaveDrained) {
    ModuleSites& leaky = usual_driver();
    apply();
    fake.put_row(FakePoolKernel::tracker, 1, {"Ab02", 0, 0, 0, 7, 4, 192});
    control::UndoOutcome outcome = undo(journal);
    EXPECT_EQ(outcome.undone.size(), 2u);
    ASSERT_EQ(outcome.kept.size(), 1u);
    EXPECT_THAT(outcome.kept[0].why, HasSubstr("3 blocks tagged 'Ab02' outstanding"));
    EXPECT_EQ(tag_at(leaky, 0), abc);
    EXPECT_EQ(tag_at(leaky, 1), abc);
    EXPECT_EQ(tag_at(leaky, 2).value, 0u);
    fake.put_row(FakePoolKernel::tracker, 1, {"Ab02", 0, 0, 0, 7, 7, 0});
    EXPECT_EQ(undo(journal).undone.size(), 1u);
    EXPECT_EQ(tag_at(leaky, 2), abc);
}

TEST_F(Retag, ADebuggerAfterAKilledOneStillWaitsForTheBlocks) {
    ModuleSites& leaky = usual_driver();
    ModuleSites& receiver = driver("receiver", 0xfffff88001000000);
    release(receiver);
    apply();
    fake.put_row(FakePoolKernel::tracker, 1, {"Ab01", 0, 0, 0, 7, 4, 192});
    EXPECT_EQ(undo(journal).kept.size(), 2u);
    control::Journal later(*fake.kernel, folder.path());
    EXPECT_EQ(later.attach().value_or(0), 2u);
    control::UndoOutcome outcome = undo(later);
    EXPECT_THAT(outcome.undone, IsEmpty());
    EXPECT_EQ(outcome.kept.size(), 2u);
    fake.put_row(FakePoolKernel::tracker, 1, {"Ab01", 0, 0, 0, 7, 7, 0});
    EXPECT_EQ(undo(later).undone.size(), 2u);
    EXPECT_EQ(tag_at(leaky, 2), abc);
    EXPECT_EQ(tag_at(receiver, 0), abc);
}

TEST_F(Retag, UndoWaitsForAnAllocationThatIsNotCountedYet) {
    fake.symbols->add("ExAllocatePoolWithTag", 0x500, true);
    fake.symbols->add("Other", 0x600, true);
    memory().put_value<std::uint32_t>(kernel_base + 0x50, image_size); // SizeOfImage
    ASSERT_TRUE(fake.kernel->reload().value);
    ModuleSites& leaky = usual_driver();
    apply();
    fake.target.edit_registers().set_ip(kernel_base + 0x510);
    control::UndoOutcome outcome = undo(journal);
    ASSERT_EQ(outcome.kept.size(), 1u);
    EXPECT_THAT(outcome.kept[0].why, HasSubstr("processor 0 stands at nt!ExAllocatePoolWithTag"));
    EXPECT_EQ(tag_at(leaky, 2).value, 0u);
    fake.target.edit_registers().set_ip(kernel_base + 0x610);
    EXPECT_EQ(undo(journal).undone.size(), 1u);
}

TEST_F(Retag, AThreadThatHasTakenTheOldTagForAFreeIsWaitedFor) {
    ModuleSites& leaky = usual_driver();
    const PoolSite free_site = leaky.index.sites[2];
    auto stand_at = [&](std::uint32_t rva) { fake.target.edit_registers().set_ip(leaky.base + rva); };
    stand_at(free_site.rva); // the call is the next instruction: its block may be taken from a list in a moment
    expect_refused("Processor 0 stands at", true);
    EXPECT_THAT(plan().refusal(false), HasSubstr("with the old tag in hand for a free; let the target run"));
    for (std::uint32_t rva : {free_site.function_rva, *free_site.tag_rva - 1, free_site.return_rva}) {
        stand_at(rva); // before it, and where the kernel's own routine returns to: that has its block
        EXPECT_TRUE(plan().possible(false)) << plan().refusal(false);
    }
    const PoolSite allocation_site = leaky.index.sites[0];
    stand_at(allocation_site.rva); // it allocates under the old tag, which nobody compares any more
    EXPECT_TRUE(plan().possible(false)) << plan().refusal(false);
}

TEST_F(Retag, AThreadInAWrapperThatFreesIsWaitedFor) {
    ModuleSites& leaky = usual_driver();
    PoolSite& inner = release(leaky); // the wrapper's own free
    inner.tag.reset();
    inner.tag_rva.reset();
    inner.tag_source = TagSource::parameter;
    const PoolSite wrapper = inner;
    PoolSite& outer = leaky.index.sites[2];
    outer.via = {"MyFree"};
    outer.via_rvas = {wrapper.function_rva};
    const PoolSite site = outer;
    auto in_flight_at = [&](std::uint32_t rva) {
        fake.target.edit_registers().set_ip(leaky.base + rva);
        return plan().refusal(false).find("in hand for a free") != std::string::npos;
    };
    EXPECT_TRUE(in_flight_at(site.return_rva)) << "the wrapper may still be at work";
    EXPECT_TRUE(in_flight_at(wrapper.function_rva));
    EXPECT_TRUE(in_flight_at(wrapper.rva));
    EXPECT_FALSE(in_flight_at(wrapper.return_rva)) << "its block is known to the kernel";
    EXPECT_FALSE(in_flight_at(site.function_rva));
}

TEST_F(Retag, AThreadInAWrapperThatFreesBeforeItsEntryIsWaitedFor) {
    ModuleSites& leaky = usual_driver();
    PoolSite& inner = release(leaky); // in a piece of the wrapper that lies before the rest
    inner.tag.reset();
    inner.tag_rva.reset();
    inner.tag_source = TagSource::parameter;
    inner.function_rva = inner.rva + 0x20;
    const PoolSite wrapper = inner;
    PoolSite& outer = leaky.index.sites[2];
    outer.via = {"MyFree"};
    outer.via_rvas = {wrapper.function_rva};
    for (std::uint32_t rva : {wrapper.rva, wrapper.rva + 0x10, wrapper.function_rva}) {
        fake.target.edit_registers().set_ip(leaky.base + rva);
        EXPECT_THAT(plan().refusal(false), HasSubstr("in hand for a free")) << rva - wrapper.rva;
    }
}

TEST_F(Retag, ReasonsOfAKindAreToldWithTheirNumber) {
    ModuleSites& leaky = usual_driver();
    for (int i = 0; i < 3; ++i) {
        PoolSite& computed = release(leaky);
        computed.tag_rva.reset();
        computed.note = "the tag is computed";
    }
    const RetagPlan made = plan();
    EXPECT_EQ(made.obstacles.size(), 3u);
    ASSERT_EQ(made.reasons(false).size(), 1u);
    EXPECT_THAT(made.refusal(false), HasSubstr("3 free sites would still name the old tag. The first: The free at "));
}

TEST_F(Retag, ADriverThatIsLoadedLaterIsWarnedOf) {
    usual_driver();
    ModuleSites& late = driver("late", 0xfffff88001000000);
    EXPECT_FALSE(is_any_retagged(journal));
    apply();
    EXPECT_TRUE(is_any_retagged(journal));
    EXPECT_EQ(retag_warning(journal, late), "") << "it has nothing to do with the tag";
    EXPECT_EQ(retag_warning(journal, *modules[0]), "") << "that one is retagged";
    auto states = states_now();
    ASSERT_TRUE(states);
    EXPECT_THAT(states->value[0].other_releases, IsEmpty());
    allocation(late);
    release(late);
    EXPECT_THAT(retag_warning(journal, late), HasSubstr("late was loaded while 'Abc ' is retagged, and its call sites "
                                                        "are not: 1 allocates with the old tag, 1 frees with it (the "
                                                        "first: late!F1+0x5)"));
    states = states_now();
    ASSERT_TRUE(states);
    ASSERT_EQ(states->value[0].other_releases.size(), 1u);
    EXPECT_EQ(states->value[0].other_releases[0].text, "late!F1+0x5");
    EXPECT_EQ(states->value[0].other_allocations.size(), 1u);
    undo(journal, true);
    EXPECT_EQ(retag_warning(journal, late), "");
    EXPECT_THAT(states_now()->value[0].other_releases, IsEmpty());
}

TEST_F(Retag, ASecondRoundCountsEachPlaceOnce) {
    usual_driver();
    apply();
    fake.put_row(FakePoolKernel::tracker, 1, {"Ab02", 0, 0, 0, 7, 4, 192});
    undo(journal, true);
    apply();
    auto states = states_now();
    ASSERT_TRUE(states);
    const RetagState& state = states->value[0];
    EXPECT_EQ(RetagState::count(state.allocations).sites, 2u);
    EXPECT_EQ(RetagState::count(state.allocations).open, 2u);
    EXPECT_EQ(state.allocations.size(), 3u) << "of the first round's tags one has blocks still";
    EXPECT_EQ(state.releases.size(), 1u);
}

TEST_F(Retag, WhatEachSiteHoldsComesFromTheKernelsCounters) {
    usual_driver();
    EXPECT_THAT(states_now()->value, IsEmpty());
    apply();
    fake.put_row(FakePoolKernel::tracker, 1, {"Ab01", 0, 0, 0, 20, 20, 0});
    fake.put_row(FakePoolKernel::tracker, 2, {"Ab02", 0, 0, 0, 9, 0, 576});
    auto states = states_now();
    ASSERT_TRUE(states);
    ASSERT_EQ(states->value.size(), 1u);
    const RetagState& state = states->value[0];
    EXPECT_EQ(state.tag, abc);
    EXPECT_TRUE(state.open());
    ASSERT_EQ(state.allocations.size(), 2u);
    EXPECT_EQ(state.allocations[0].new_tag.text(), "Ab02"); // holds the most
    EXPECT_EQ(state.allocations[0].places, "leaky!F1+0x6");
    EXPECT_EQ(state.allocations[0].usage.paged.allocs, 9u);
    EXPECT_EQ(state.allocations[1].usage.paged.frees, 20u);
    EXPECT_EQ(state.old.paged.outstanding(), 100);
    EXPECT_EQ(state.releases.size(), 1u);
}

} // namespace
} // namespace poolkd::hunt
