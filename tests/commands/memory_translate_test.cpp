#include "support/session_fixture.h"

namespace poolkd {
namespace {

using ::testing::HasSubstr;

class TranslateCommands : public testing::SessionFixture {
  protected:
    TranslateCommands() {
        EXPECT_TRUE(store_unsigned(target->edit_special(), 0x10, 8, 0x1000)); // cr3
        entry(0x1000, 0x1f0, 0x2063);                                         // fffff800`00000000
        entry(0x2000, 0, 0x3063);
        entry(0x3000, 0, 0x4063);
        entry(0x4000, 5, 0x8000000000009121); // read-only data
        entry(0x4000, 7, 0x1234567800000080); // in a page file
        entry(0x3000, 1, 0x4001e3);           // 2 MiB
    }
    void entry(std::uint64_t table, std::size_t index, std::uint64_t value) {
        target->physical_memory().put_value(PhysAddr(table + 8 * index), value);
    }
};

TEST_F(TranslateCommands, PteShowsTheEntriesOfAllLevels) {
    entry(0x1000, 0x1ed, 0x8000000000001063); // the self map
    EXPECT_EQ(
        run("!pte fffff800`00005010"),
        "                                           VA fffff80000005010\n"
        "PXE at FFFFF6FB7DBEDF80    PPE at FFFFF6FB7DBF0000    PDE at FFFFF6FB7E000000    PTE at FFFFF6FC00000028\n"
        "contains 0000000000002063  contains 0000000000003063  contains 0000000000004063  contains 8000000000009121\n"
        "pfn 2         ---DA--KWEV  pfn 3         ---DA--KWEV  pfn 4         ---DA--KWEV  pfn 9         -G--A--KR-V\n");
}

TEST_F(TranslateCommands, PteTellsLargePagesAndWhatIsNotThere) {
    const std::string large = run("!pte fffff800`00234567");
    EXPECT_THAT(large,
                HasSubstr("PXE                        PPE                        PDE                        PTE\n"));
    EXPECT_THAT(large, HasSubstr("contains 00000000004001E3\n"));
    EXPECT_THAT(large, HasSubstr("pfn 400       -GLDA--KWEV  LARGE PAGE pfn 434\n"));
    EXPECT_THAT(run("!pte fffff800`00007000"), HasSubstr("contains 1234567800000080\npfn 2         ---DA--KWEV  "
                                                         "pfn 3         ---DA--KWEV  pfn 4         ---DA--KWEV  "
                                                         "not valid\n"));
    EXPECT_EQ(run("!pte fffff900`00000000"), "                                           VA fffff90000000000\n"
                                             "PXE                        PPE                        PDE                "
                                             "        PTE\n"
                                             "contains 0000000000000000\n"
                                             "not valid\n");
    entry(0x3000, 2, 0x80000063); // no memory there
    EXPECT_THAT(run("!pte fffff800`00400000"), HasSubstr("contains 0000000080000063  unreadable\n"));
    EXPECT_THAT(run("!pte fffff800`00007000"), HasSubstr("The page is in a page file\n"));
    EXPECT_THAT(run("!pte fffff800`00007000 --json"), HasSubstr(R"("state":"in a page file")"));
    EXPECT_THAT(run("!pte fffff800`00007000 --json"),
                HasSubstr(R"({"entry":"0x1234567800000080","level":1,"page":false)"));
}

TEST_F(TranslateCommands, PagesThatTheProcessorDoesNotSee) {
    entry(0x4000, 8, 0x9880);
    EXPECT_THAT(run("!pte fffff800`00008000"), HasSubstr("The page is in transition (pfn 9)\n"));
    EXPECT_THAT(run("!vtop fffff800`00008010"), HasSubstr("translates to physical address 9010."));
    entry(0x4000, 8, 0x80);
    EXPECT_THAT(run("!vtop fffff800`00008010"), HasSubstr("is not mapped (not present): the page is demand zero"));
    EXPECT_THAT(run("!vtop fffff800`00007010"), HasSubstr("is not mapped (not present): the page is in a page file"));
    EXPECT_THAT(run("!vtop fffff800`0000a010"), HasSubstr("is not mapped (not present)\n")); // no entry
}

TEST_F(TranslateCommands, VtopTranslatesThroughAnyDirectory) {
    const std::string expected = "Amd64VtoP: Virt fffff800`00005010, pagedir 00000000`00001000\n"
                                 "Amd64VtoP: PML4E 00000000`00001f80\n"
                                 "Amd64VtoP: PDPE 00000000`00002000\n"
                                 "Amd64VtoP: PDE 00000000`00003000\n"
                                 "Amd64VtoP: PTE 00000000`00004028\n"
                                 "Amd64VtoP: Mapped phys 00000000`00009010\n"
                                 "Virtual address fffff80000005010 translates to physical address 9010.\n";
    EXPECT_EQ(run("!vtop fffff800`00005010"), expected);
    EXPECT_EQ(run("!vtop 0 fffff800`00005010"), expected);
    EXPECT_EQ(run("!vtop 1 fffff800`00005010"), expected);    // the frame
    EXPECT_EQ(run("!vtop 1000 fffff800`00005010"), expected); // the directory
    EXPECT_THAT(run("!vtop fffff800`00234567"),
                HasSubstr("Large page mapped\nAmd64VtoP: Mapped phys 00000000`00434567\n"));
    EXPECT_THAT(run("!vtop fffff800`00007000"), HasSubstr("fffff800`00007000 is not mapped (not present)"));
    EXPECT_TRUE(failed);
    EXPECT_THAT(run("!vtop 80000 fffff800`00005010"), HasSubstr("a page table cannot be read"));
}

} // namespace
} // namespace poolkd
