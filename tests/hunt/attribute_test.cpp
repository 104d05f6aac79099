#include "clue_samples.h"

#include <utility>

namespace poolkd::hunt {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(Attribute, TheOnlyPlaceInAllCodeIsNamed) {
    ClueBench bench;
    bench.add_site(bench.add_module("leaky"), 0x1010, "LeakyBuildReport");
    const Suspect suspect = bench.judge();
    ASSERT_EQ(suspect.owners.size(), 1u);
    EXPECT_EQ(suspect.owners[0].image, "leaky.sys");
    EXPECT_GT(suspect.owners[0].confidence, 0.85);
    EXPECT_THAT(accused(suspect), ElementsAre("LeakyBuildReport"));
    EXPECT_THAT(suspect.unknown, IsEmpty());
}

TEST(Attribute, CodeThatCouldNotBeReadLeavesADoubt) {
    ClueBench bench;
    bench.add_site(bench.add_module("leaky"), 0x1010, "LeakyBuildReport");
    const double sure = bench.judge().owners[0].confidence;
    bench.modules[bench.add_module("paged")].index = nullptr;
    const Suspect suspect = bench.judge();
    EXPECT_LT(suspect.owners[0].confidence, sure);
    EXPECT_THAT(suspect.unknown, Contains("Not looked through for the tag: paged.sys"));
}

TEST(Attribute, CodeOfWhichAPartIsMissingIsToldAsSuch) {
    ClueBench bench;
    bench.add_site(bench.add_module("leaky"), 0x1010, "LeakyBuildReport");
    bench.indexes[bench.add_module("paged")]->coverage.add_gap(GapReason::unmapped, VirtAddr(0x1000), 0x1000);
    EXPECT_THAT(bench.judge().unknown, ElementsAre("Whether code that could not be read has the tag, in paged.sys"));
}

TEST(Attribute, OfTwoDriversWithOneTagNobodyIsAccusedWithoutMore) {
    ClueBench bench;
    bench.add_site(bench.add_module("netfilt"), 0x1010, "Drop", 128);
    bench.add_site(bench.add_module("netshape"), 0x1010, "Queue", 128);
    bench.add_blocks(144, 900);
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), IsEmpty());
    EXPECT_LT(suspect.owners[0].confidence, SuspectSite::accusing);
    EXPECT_THAT(suspect.unknown, Contains(HasSubstr("Which of 2 call sites")));
    EXPECT_THAT(suspect.unknown, Contains(HasSubstr("Who owns the tag")));
}

TEST(Attribute, ATraceNamesTheOneWhoseBlocksStay) {
    ClueBench bench;
    const std::size_t netfilt = bench.add_module("netfilt"), netshape = bench.add_module("netshape");
    bench.add_site(netfilt, 0x1010, "Drop", 128);
    bench.add_site(netfilt, 0x2010, "Pass", 128);
    bench.add_site(netshape, 0x1010, "Queue", 128);
    bench.add_stack({{netfilt, 0x1015}, {netfilt, 0x3000}}, 40, 40, 13);
    bench.add_stack({{netfilt, 0x2015}, {netfilt, 0x3000}}, 40, 0, 0);
    bench.add_stack({{netshape, 0x1015}, {netshape, 0x3000}}, 120, 32, 0); // a ring: young blocks only
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), ElementsAre("Drop"));
    EXPECT_EQ(suspect.owners[0].image, "netfilt.sys");
    EXPECT_GT(suspect.owners[0].confidence, 0.9);
    EXPECT_EQ(suspect.owners[1].image, "netshape.sys");
    EXPECT_LT(suspect.owners[1].confidence, 0.1);
    EXPECT_EQ(suspect.sites[0].seen_allocated, 40u);
    EXPECT_TRUE(suspect.sites[0].from_trace && suspect.sites[0].from_index);
}

TEST(Attribute, ATraceMayNameTwo) {
    ClueBench bench;
    const std::size_t leaky = bench.add_module("leaky");
    bench.add_site(leaky, 0x1010, "One");
    bench.add_site(leaky, 0x2010, "Two");
    bench.add_site(leaky, 0x3010, "Three");
    bench.add_stack({{leaky, 0x1015}}, 30, 30, 10);
    bench.add_stack({{leaky, 0x2015}}, 90, 20, 6);
    bench.add_stack({{leaky, 0x3015}}, 90, 1, 0);
    EXPECT_THAT(accused(bench.judge()), UnorderedElementsAre("One", "Two"));
}

TEST(Attribute, ATraceThatSawNothingStayDecidesNothing) {
    ClueBench bench;
    const std::size_t leaky = bench.add_module("leaky");
    bench.add_site(leaky, 0x1010, "One");
    bench.add_site(leaky, 0x2010, "Two");
    bench.add_stack({{leaky, 0x1015}}, 3, 1, 1);
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), IsEmpty());
    EXPECT_EQ(suspect.owners[0].image, "leaky.sys");
    EXPECT_GT(suspect.owners[0].confidence, 0.8);
    EXPECT_THAT(suspect.unknown, Contains(HasSubstr("too short")));
}

TEST(Attribute, ATraceTooShortForTheUsualFreesDecidesNothing) {
    ClueBench bench;
    const std::size_t netfilt = bench.add_module("netfilt"), netshape = bench.add_module("netshape");
    bench.add_site(netfilt, 0x1010, "Drop", 128);
    bench.add_site(netshape, 0x1010, "Queue", 128);
    bench.add_stack({{netfilt, 0x1015}}, 3, 3, 0);
    bench.add_stack({{netshape, 0x1015}}, 9, 9, 3); // a ring that did not go round yet
    bench.trace->allocations = 12;
    bench.freed_share = 0.75;
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), IsEmpty());
    EXPECT_THAT(suspect.unknown, Contains(HasSubstr("even what is usually freed stayed")));
    bench.trace->matched = 9; // the same stacks where frees were seen
    EXPECT_THAT(accused(bench.judge()), ElementsAre("Queue"));
}

TEST(Attribute, AFunctionThatJumpsToTheAllocatorIsFoundByWhoCalledIt) {
    ClueBench bench;
    const std::size_t tail = bench.add_module("tailwrap");
    code::PoolSite& site = bench.add_site(tail, 0x1010, "NewSession");
    site.return_rva = 0;
    bench.add_stack({{tail, 0x2015}, {tail, 0x3000}}, 10, 10, 4);
    EXPECT_EQ(bench.judge().sites.size(), 2u); // the caller by its stack, and the site that was not seen
    bench.call_targets[bench.modules[tail].base + 0x2015] = bench.modules[tail].base + site.function_rva;
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), ElementsAre("NewSession"));
    EXPECT_EQ(suspect.sites.size(), 1u);
}

TEST(Attribute, WrappersAreLookedThroughOnStacks) {
    ClueBench bench;
    const std::size_t wrapped = bench.add_module("wrapped");
    code::PoolSite& wrapper = bench.add_site(wrapped, 0x1010, "MyAlloc");
    wrapper.tag.reset();
    wrapper.tag_source = code::TagSource::parameter;
    bench.add_site(wrapped, 0x2010, "OpenSession").via = {"MyAlloc"};
    bench.add_stack({{wrapped, 0x1015}, {wrapped, 0x2015}, {wrapped, 0x4000}}, 10, 10, 4);
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), ElementsAre("OpenSession"));
    EXPECT_EQ(suspect.sites.size(), 1u);
}

TEST(Attribute, TheKernelsRoutineIsLookedThroughToItsCaller) {
    ClueBench bench;
    const std::size_t net = bench.add_module("net");
    bench.add_site(0, 0x1010, "IoAllocateMdl");
    code::PoolSite& site = bench.add_site(net, 0x2010, "NetSend");
    site.api = "IoAllocateMdl";
    site.tag_source = code::TagSource::fixed;
    bench.add_stack({{0, 0x1015}, {net, 0x2015}}, 10, 10, 4);
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), ElementsAre("NetSend"));
    EXPECT_EQ(suspect.owners[0].image, "net.sys");
}

TEST(Attribute, AStackNamesADriverThatTheIndexDoesNotKnowTheSiteOf) {
    ClueBench bench;
    const std::size_t odd = bench.add_module("odd");
    bench.add_stack({{0, 0x1015}, {odd, 0x2015}, {0, 0x3000}}, 10, 10, 4);
    const Suspect suspect = bench.judge();
    ASSERT_EQ(suspect.sites.size(), 1u);
    EXPECT_EQ(suspect.sites[0].module, "odd");
    EXPECT_FALSE(suspect.sites[0].from_index);
    EXPECT_EQ(suspect.owners[0].image, "odd.sys");
}

TEST(Attribute, SizesTellSitesApart) {
    ClueBench bench;
    const std::size_t leaky = bench.add_module("leaky");
    bench.add_site(leaky, 0x1010, "Small", 100);
    bench.add_site(leaky, 0x2010, "Large", 700);
    bench.add_blocks(720, 950);
    bench.add_blocks(128, 30);
    const Suspect suspect = bench.judge();
    EXPECT_THAT(accused(suspect), ElementsAre("Large"));
    EXPECT_EQ(suspect.sites[0].blocks, 950u);
}

TEST(Attribute, AVariableThatLeadsToTheBlocksNamesItsDriver) {
    ClueBench bench;
    const std::size_t one = bench.add_module("one"), two = bench.add_module("two");
    bench.add_site(one, 0x1010, "One", 128);
    bench.add_site(two, 0x1010, "Two", 128);
    bench.add_blocks(144, 1000);
    bench.blocks->holders.push_back({two, "two!List", HolderClue::Shape::list, 1, 960, true});
    const Suspect suspect = bench.judge();
    EXPECT_EQ(suspect.owners[0].image, "two.sys");
    EXPECT_GT(suspect.owners[0].confidence, 0.8);
    EXPECT_THAT(accused(suspect), ElementsAre("Two"));
}

TEST(Attribute, OfTwoImagesOfOneNameEachHasItsOwnWeight) {
    ClueBench bench;
    bench.add_site(bench.add_module("leaky"), 0x1010, "Idle");
    const std::size_t second = bench.add_module("leaky");
    bench.add_site(second, 0x2010, "Leak");
    bench.add_blocks(144, 900);
    bench.blocks->sampled = 64;
    bench.blocks->pointers.push_back({second, 8, 64, bench.modules[second].base + 0x100});
    EXPECT_THAT(accused(bench.judge()), ElementsAre("Leak"));
}

TEST(Attribute, BlocksThatPointIntoAnUnloadedDriverNameIt) {
    ClueBench bench;
    bench.add_module("other");
    const std::size_t late = bench.add_unloaded("late.sys");
    bench.add_unloaded("never.sys");
    bench.add_blocks(304, 1500);
    bench.blocks->sampled = 64;
    bench.blocks->pointers.push_back({late, 0, 64, bench.modules[late].base + 0x100});
    const Suspect suspect = bench.judge();
    EXPECT_EQ(suspect.owners[0].image, "late.sys");
    EXPECT_TRUE(suspect.owners[0].unloaded);
    EXPECT_GT(suspect.owners[0].confidence, 0.75);
}

TEST(Attribute, AShortListThatEndsAtAMissingPageIsNotTakenForAllBlocks) {
    ClueBench bench;
    bench.add_site(bench.add_module("leaky"), 0x1010, "Leak");
    const std::size_t cache = bench.add_module("cache");
    bench.add_blocks(144, 1000);
    bench.blocks->holders.push_back({cache, "cache!Last", HolderClue::Shape::chain, 1, 2, false});
    EXPECT_EQ(bench.judge().owners[0].image, "leaky.sys");
    EXPECT_EQ(bench.judge().owners.size(), 1u);
    bench.blocks->holders[0].reached = 128; // as far as a list is followed over a link
    EXPECT_EQ(bench.judge().owners.size(), 2u);
}

TEST(Attribute, WhatIsSaidOfAnUnloadedDriverIsTrue) {
    ClueBench bench;
    const std::size_t late = bench.add_unloaded("late.sys");
    auto reasons = [&] {
        std::string text;
        for (const SuspectOwner& owner : bench.judge().owners)
            if (owner.unloaded)
                for (const std::string& reason : owner.reasons)
                    text += reason + ". ";
        return text;
    };
    EXPECT_THAT(reasons(), HasSubstr("no module that is loaded has the tag"));
    const std::size_t unread = bench.add_module("unread");
    bench.modules[unread].index = nullptr;
    EXPECT_THAT(reasons(), HasSubstr("no code that was looked through has the tag"));
    std::vector<std::shared_ptr<const code::SiteIndex>> kept;
    for (ClueModule& module : bench.modules)
        kept.push_back(std::exchange(module.index, nullptr));
    EXPECT_EQ(reasons(), "") << "no code was looked through: every driver may have the tag";
    for (std::size_t i = 0; i < kept.size(); ++i)
        bench.modules[i].index = kept[i];
    EXPECT_THAT(reasons(), HasSubstr("no code that was looked through has the tag"));
    bench.add_site(bench.add_module("leaky"), 0x1010, "Leak");
    bench.add_blocks(304, 1500);
    bench.blocks->sampled = 64;
    bench.blocks->pointers.push_back({late, 0, 64, bench.modules[late].base + 0x100});
    EXPECT_THAT(reasons(), HasSubstr("It was unloaded. "));
}

TEST(Attribute, AFrameWhereADriverLayThatIsGoneIsNotThatDrivers) {
    ClueBench bench;
    const std::size_t late = bench.add_unloaded("late.sys");
    bench.add_stack({{late, 0x1015}}, 100, 100, 40);
    EXPECT_THAT(accused(bench.judge()), IsEmpty());
}

TEST(Attribute, OfTwoUnloadedDriversNobodyIsNamedWithoutMore) {
    ClueBench bench;
    bench.add_unloaded("late.sys");
    bench.add_unloaded("never.sys");
    const Suspect suspect = bench.judge();
    ASSERT_EQ(suspect.owners.size(), 2u);
    EXPECT_LT(suspect.owners[0].confidence, SuspectSite::accusing);
}

TEST(Attribute, AnUnloadedDriverIsNotNamedWhereALoadedOneHasTheTag) {
    ClueBench bench;
    bench.add_site(bench.add_module("leaky"), 0x1010, "Leak");
    bench.add_unloaded("late.sys");
    const Suspect suspect = bench.judge();
    ASSERT_EQ(suspect.owners.size(), 1u);
    EXPECT_EQ(suspect.owners[0].image, "leaky.sys");
}

TEST(Attribute, ATableAloneIsNoAccusation) {
    ClueBench bench;
    bench.layer = {
        .height = 50, .what = "file system structure", .binary = "ntfs.sys", .description = {}, .known = true};
    const Suspect suspect = bench.judge();
    ASSERT_EQ(suspect.owners.size(), 1u);
    EXPECT_LT(suspect.owners[0].confidence, SuspectSite::accusing);
    EXPECT_THAT(accused(suspect), IsEmpty());
}

TEST(Attribute, WhoOnlyFreesIsNoOwner) {
    ClueBench bench;
    bench.add_release(bench.add_module("receiver"), 0x1010, "Consume");
    bench.add_site(bench.add_module("handoff"), 0x1010, "Build");
    const Suspect suspect = bench.judge();
    EXPECT_EQ(suspect.owners[0].image, "handoff.sys");
    EXPECT_GT(suspect.owners[0].confidence, 0.75);
    EXPECT_LT(suspect.owners[1].confidence, 0.2);
}

TEST(Attribute, AnotherKindOfPoolIsAnotherSite) {
    ClueBench bench;
    const std::size_t leaky = bench.add_module("leaky");
    bench.add_site(leaky, 0x1010, "Nonpaged");
    bench.add_site(leaky, 0x2010, "Paged").paged = true;
    EXPECT_THAT(accused(bench.judge()), ElementsAre("Nonpaged"));
}

TEST(BlockSize, HasTheHeaderAndIsRounded) {
    const BlockClues x64{};
    EXPECT_EQ(block_size_of(1, x64), 32u);
    EXPECT_EQ(block_size_of(128, x64), 144u);
    EXPECT_EQ(block_size_of(4080, x64), 4096u);
    EXPECT_EQ(block_size_of(4081, x64), 4096u); // a page without a header
    EXPECT_EQ(block_size_of(4097, x64), 8192u);
    BlockClues x86{};
    x86.header_size = x86.unit = 8;
    EXPECT_EQ(block_size_of(100, x86), 112u);
}

} // namespace
} // namespace poolkd::hunt
