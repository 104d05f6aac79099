#include "render/sites.h"

#include <gmock/gmock.h>

namespace poolkd::render {
namespace {

using code::PoolSite;
using code::SiteKind;
using code::TagSource;
using ::testing::HasSubstr;
using ::testing::Not;

class Sites : public ::testing::Test {
  protected:
    Sites() {
        index.code_bytes = 5000;
        PoolSite wrapper = site(0x1040, "LeakyAllocate", 0x1000, TagSource::parameter);
        PoolSite direct = site(0x11c5, "LeakyOpenStream", 0x1180, TagSource::constant, "Abc");
        direct.size = 240;
        direct.pool_type = 1;
        direct.paged = true;
        direct.tag_rva = 0x11bf;
        direct.return_rva = 0x11ca;
        direct.source = "stream.cpp:12";
        PoolSite wrapped = site(0x1300, "", 0x12f0, TagSource::constant, "Xyz ");
        wrapped.via = {"LeakyAllocate"};
        wrapped.via_rvas = {0x1000};
        PoolSite unknown = site(0x1400, "LeakyGrow", 0x1400, TagSource::unresolved);
        unknown.note = "the tag is read through a pointer";
        PoolSite release = site(0x1500, "LeakyClose", 0x14f0, TagSource::constant, "Abc");
        release.kind = SiteKind::release;
        release.api = "ExFreePoolWithTag";
        release.tag = PoolTag(release.tag->value | PoolTag::protected_bit);
        PoolSite list = site(0x1600, "LeakyList", 0x1610, TagSource::constant, "LkRq");
        list.kind = SiteKind::lookaside;
        list.api = "ExInitializeNPagedLookasideList";
        index.sites = {wrapper, direct, wrapped, unknown, release, list};
    }
    static PoolSite site(std::uint32_t rva, const char* function, std::uint32_t function_rva, TagSource source,
                         const char* tag = nullptr) {
        PoolSite made;
        made.rva = rva;
        made.function = function;
        made.function_rva = function_rva;
        made.api = "ExAllocatePoolWithTag";
        made.tag_source = source;
        if (tag) made.tag = PoolTag::from_text(tag);
        return made;
    }
    [[nodiscard]] SiteModule module(VirtAddr base = VirtAddr(0)) const {
        return {.name = "leaky", .heading = "leaky.sys", .base = base, .index = &index, .error = {}};
    }
    std::vector<std::uint32_t> selected(const SiteView& view) const {
        std::vector<std::uint32_t> rvas;
        for (const PoolSite* one : select_sites(index, view))
            rvas.push_back(one->rva);
        return rvas;
    }

    code::SiteIndex index;
};

TEST_F(Sites, AllocationsWithATagOfTheirOwnAreShownUnlessToldOtherwise) {
    using ::testing::ElementsAre;
    EXPECT_THAT(selected({}), ElementsAre(0x11c5, 0x1300, 0x1400, 0x1600));
    EXPECT_THAT(selected({.all = true}), ElementsAre(0x1040, 0x11c5, 0x1300, 0x1400, 0x1500, 0x1600));
    EXPECT_THAT(selected({.tag_pattern = "Abc"}), ElementsAre(0x11c5, 0x1500)) << "its releases belong to a tag";
    EXPECT_THAT(selected({.tag_pattern = "*z*"}), ElementsAre(0x1300));
    EXPECT_THAT(selected({.unresolved = true}), ElementsAre(0x1400));
}

TEST_F(Sites, NamesAreExpressions) {
    EXPECT_EQ(site_name("leaky", index.sites[1]), "leaky!LeakyOpenStream+0x45");
    EXPECT_EQ(site_name("leaky", index.sites[2]), "leaky+0x1300") << "no name is known";
    EXPECT_EQ(site_name("leaky", index.sites[3]), "leaky!LeakyGrow");
    EXPECT_EQ(site_name("leaky", index.sites[5]), "leaky!LeakyList-0x10") << "a piece that lies before the entry";
}

TEST_F(Sites, TextIsALineOfSumsAndATable) {
    EXPECT_EQ(sites_text({module()}, {}),
              "leaky.sys: 6 sites in 4.9 KB of code: 4 allocations, 1 release, 1 lookaside list; 1 passes its "
              "caller's tag on; 1 tag unresolved; 4 shown\n"
              " RVA  Kind        Tag   Pool   Size  Tag is      Site                        Routine                    "
              "            Source\n"
              "11c5  allocation  Abc   paged   240  constant    leaky!LeakyOpenStream+0x45  ExAllocatePoolWithTag      "
              "            stream.cpp:12\n"
              "1300  allocation  Xyz   -         -  constant    leaky+0x1300                LeakyAllocate > "
              "ExAllocatePoolWithTag\n"
              "1400  allocation  -     -         -  unresolved  leaky!LeakyGrow             ExAllocatePoolWithTag\n"
              "1600  lookaside   LkRq  -         -  constant    leaky!LeakyList-0x10        "
              "ExInitializeNPagedLookasideList\n"
              "  Tag unresolved at 1 site: the tag is read through a pointer\n");
}

TEST_F(Sites, AddressesOfModulesOfTheTarget) {
    const std::string text = sites_text({module(VirtAddr(0xfffff80001000000))}, {.tag_pattern = "Abc"});
    EXPECT_THAT(text, HasSubstr("fffff800`010011c5  allocation  Abc"));
    EXPECT_THAT(text, HasSubstr("fffff800`01001500  release     Abc"));
    EXPECT_THAT(sites_text({module(VirtAddr(0xffffffff81000000))}, {.pointer_size = 4}), HasSubstr("\n810011c5  "));
}

TEST_F(Sites, SeveralModulesAreSummedUp) {
    code::SiteIndex none;
    none.code_bytes = 120;
    SiteModule empty{.name = "empty", .heading = "empty.sys", .base = {}, .index = &none, .error = {}};
    SiteModule bad{.name = "bad", .heading = "bad.sys", .base = {}, .index = nullptr, .error = "Not an image"};
    const std::string text = sites_text({module(), empty, bad}, {});
    EXPECT_THAT(text, HasSubstr("\nempty.sys: 0 sites in 120 B of code\n"));
    EXPECT_THAT(text, HasSubstr("\nbad.sys: Not an image\n"));
    EXPECT_THAT(text, HasSubstr("\n3 modules: 6 sites in 5.0 KB of code: "));
    const std::string brief = sites_text({module(), empty, bad}, {.quiet_when_empty = true});
    EXPECT_THAT(brief, Not(HasSubstr("empty.sys")));
    EXPECT_THAT(brief, HasSubstr("bad.sys: Not an image")) << "what could not be looked through is always told";
}

TEST_F(Sites, NotesOfTheSitesThatAreShown) {
    index.sites[1].note = index.sites[4].note = "A variable may replace the tag.";
    EXPECT_THAT(sites_text({module()}, {}), HasSubstr("\n  At 1 site: A variable may replace the tag.\n"));
    EXPECT_THAT(sites_text({module()}, {.all = true}), HasSubstr("\n  At 2 sites: A variable may replace the tag.\n"));
}

TEST_F(Sites, WhatCouldNotBeReadIsTold) {
    index.coverage.add_read(4000);
    index.coverage.add_gap(GapReason::paged_out, VirtAddr(0x2000), 0x1000);
    EXPECT_THAT(sites_text({module()}, {}), HasSubstr("\n  Partial: "));
    EXPECT_FALSE(sites_json({module()}, {})[0]["coverage"]["complete"].get<bool>());
}

TEST_F(Sites, JsonHasEveryField) {
    const nlohmann::json all = sites_json({module()}, {.all = true});
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0]["module"], "leaky");
    EXPECT_EQ(all[0]["file"], "leaky.sys");
    EXPECT_EQ(all[0]["sites_total"], 6);
    EXPECT_EQ(all[0]["wrappers"], 1);
    EXPECT_EQ(all[0]["unresolved"], 1);
    EXPECT_EQ(all[0]["code_bytes"], 5000);
    ASSERT_EQ(all[0]["sites"].size(), 6u);
    const nlohmann::json& direct = all[0]["sites"][1];
    EXPECT_EQ(direct["rva"], 0x11c5);
    EXPECT_EQ(direct["return_rva"], 0x11ca);
    EXPECT_EQ(direct["function"], "LeakyOpenStream");
    EXPECT_EQ(direct["source"], "stream.cpp:12");
    EXPECT_EQ(direct["kind"], "allocation");
    EXPECT_EQ(direct["api"], "ExAllocatePoolWithTag");
    EXPECT_EQ(direct["tag"], "Abc ");
    EXPECT_EQ(direct["value"], PoolTag::from_text("Abc")->value);
    EXPECT_EQ(direct["tag_source"], "constant");
    EXPECT_EQ(direct["tag_rva"], 0x11bf);
    EXPECT_EQ(direct["size"], 240);
    EXPECT_EQ(direct["paged"], true);
    EXPECT_FALSE(direct.contains("address"));
    EXPECT_EQ(all[0]["sites"][2]["via"], (nlohmann::json{{{"function", "LeakyAllocate"}, {"rva", 0x1000}}}));
    EXPECT_EQ(all[0]["sites"][3]["note"], "the tag is read through a pointer");
    EXPECT_EQ(all[0]["sites"][4]["value"], PoolTag::from_text("Abc")->value | PoolTag::protected_bit);
    EXPECT_EQ(all[0]["sites"][4]["tag"], "Abc ");

    const nlohmann::json live = sites_json({module(VirtAddr(0xfffff80001000000))}, {});
    EXPECT_EQ(live[0]["base"], "0xfffff80001000000");
    EXPECT_EQ(live[0]["sites"][0]["address"], "0xfffff800010011c5");
}

TEST_F(Sites, JsonOfWhatHasNoIndex) {
    const nlohmann::json all =
        sites_json({{.name = "bad", .heading = "bad.sys", .base = {}, .index = nullptr, .error = "Not an image"}}, {});
    EXPECT_EQ(all[0]["error"], "Not an image");
    EXPECT_FALSE(all[0].contains("sites"));
}

} // namespace
} // namespace poolkd::render
