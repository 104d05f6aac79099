#include "support/fake_pool.h"
#include "support/session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

using testing::FakePool;

class PoolCommands : public testing::SessionFixture {
  protected:
    PoolCommands() {
        pool.put_row(FakePool::tracker, 1, {"Abc", 0, 0, 0, 40000, 3595, 33930272});
        pool.put_row(FakePool::tracker, 2, {"Gla5", 1, 0, 128, 2222, 0, 924352});
        pool.put_row(FakePool::tracker, 3, {"Gone", 7, 7, 0, 9, 9, 0});
    }
    /// A page of two blocks in use and a free one.
    void put_page(std::uint64_t page) {
        memory().map(VirtAddr(page), 4096);
        pool.put_header(page, 0x3b0, 0, abc, 3);
        pool.put_header(page + 0x3b0, 0x50, 0x3b0, abc | PoolTag::protected_bit, 3);
        pool.put_header(page + 0x400, 0xc00, 0x50, abc, 0);
    }
    static constexpr std::uint32_t abc = 0x20636241;
    FakePool pool{*target, *symbols};
};

TEST_F(PoolCommands, PoolusedInTheClassicLayout) {
    EXPECT_EQ(run("!poolused 4"), "   Sorting by Paged Pool Consumed\n"
                                  "\n"
                                  "  Pool Used:\n"
                                  "            NonPaged            Paged\n"
                                  " Tag    Allocs     Used    Allocs     Used\n"
                                  " Abc         0        0     36405 33930272\n"
                                  " Gla5        1      128      2222   924352\n"
                                  " TOTAL       1      128     38627 34854624\n");
}

TEST_F(PoolCommands, ColumnsWidenForLargeNumbers) {
    pool.put_row(FakePool::tracker, 4, {"Huge", 0, 0, 0, 1, 0, 12345678901});
    std::string text = run("!poolused 4 Huge");
    EXPECT_NE(text.find(" Huge        0        0         1 12345678901\n"), std::string::npos) << text;
    EXPECT_NE(text.find(" Tag    Allocs     Used    Allocs        Used\n"), std::string::npos) << text;
}

TEST_F(PoolCommands, PoolusedVerboseShowsTagsThatCameAndWent) {
    std::string text = run("!poolused 1 Gone");
    EXPECT_NE(text.find(" Gone        7        7        0        0         9        9        0        0\n"),
              std::string::npos)
        << text;
}

TEST_F(PoolCommands, PoolusedRefusesWhatContradictsItself) {
    EXPECT_EQ(run("!poolused 6"), "Flags 2 and 4 exclude each other\n");
    EXPECT_TRUE(failed);
    run("!poolused /t x");
    EXPECT_TRUE(failed);
}

TEST_F(PoolCommands, PoolusedTellsWhatIsMissing) {
    memory().unmap(VirtAddr(FakePool::tracker + 0x1000));
    EXPECT_NE(run("!poolused").find("Partial: "), std::string::npos);
    auto json = nlohmann::json::parse(run("!poolused --json"));
    EXPECT_FALSE(json["coverage"]["complete"].get<bool>());
    EXPECT_GT(json["coverage"]["bytes_missing"].get<int>(), 0);
}

TEST_F(PoolCommands, PoolusedAsJson) {
    auto json = nlohmann::json::parse(run("!poolused 4 --json"));
    EXPECT_EQ(json["tags"][0]["tag"], "Abc ");
    EXPECT_EQ(json["tags"][0]["paged"]["outstanding"], 36405);
    EXPECT_EQ(json["tags"][0]["paged"]["bytes"], 33930272);
    EXPECT_EQ(json["total"]["paged"]["bytes"], 34854624);
}

TEST_F(PoolCommands, PoolfindListsSmallAndBigBlocks) {
    put_page(FakePool::paged);
    pool.put_page_tables(FakePool::paged, 1);
    pool.put_big(3, FakePool::paged + 0x4000, "Abc ", 0x2000, 1);
    std::string text = run("!poolfind Abc 1");
    EXPECT_NE(text.find("ffffb000`00004000 : tag Abc , size    0x2000, Paged pool\n"), std::string::npos) << text;
    EXPECT_NE(text.find("ffffb000`00000000 size:  3b0 previous size:    0  (Allocated) Abc \n"), std::string::npos)
        << text;
    EXPECT_NE(text.find("ffffb000`000003b0 size:   50 previous size:  3b0  (Allocated) Abc  (Protected)\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("(Free)      Abc"), std::string::npos) << text;
    EXPECT_NE(text.find("Abc: 3 blocks allocated, 9216 bytes; the kernel counts 36405 and 33930272; 1 free blocks "
                        "still bear the tag\n"),
              std::string::npos)
        << text;
}

TEST_F(PoolCommands, PoolfindTakesSeveralTagsAndNumbers) {
    put_page(FakePool::paged);
    pool.put_page_tables(FakePool::paged, 1);
    auto json = nlohmann::json::parse(run("!poolfind 0x20636241 Tron Ab* -paged -total --json"));
    EXPECT_EQ(json["tags"][0]["blocks"], 2);
    EXPECT_EQ(json["tags"][1]["blocks"], 0);
    EXPECT_FALSE(json.contains("blocks"));
    json = nlohmann::json::parse(run("!poolfind A\\x62c \"A\\x62d \" -paged -total --json"));
    EXPECT_EQ(json["tags"][0]["blocks"], 2);
    EXPECT_EQ(json["tags"][1]["blocks"], 0);
    run("!poolfind");
    EXPECT_TRUE(failed);
    run("!poolfind Abcde");
    EXPECT_TRUE(failed);
}

TEST_F(PoolCommands, PoolMarksTheBlockThatHoldsTheAddress) {
    put_page(FakePool::paged);
    EXPECT_EQ(run("!pool ffffb000`000003c0"),
              "Pool page ffffb000`000003c0 region is Paged pool\n"
              " ffffb000`00000000 size:  3b0 previous size:    0  (Allocated)  Abc \n"
              "*ffffb000`000003b0 size:   50 previous size:  3b0  (Allocated) *Abc  (Protected)\n"
              " ffffb000`00000400 size:  c00 previous size:   50  (Free)       Abc \n");
    EXPECT_EQ(run("!pool ffffb000`000003c0 2"),
              "Pool page ffffb000`000003c0 region is Paged pool\n"
              "*ffffb000`000003b0 size:   50 previous size:  3b0  (Allocated) *Abc  (Protected)\n");
}

TEST_F(PoolCommands, PoolTellsOfADamagedPage) {
    put_page(FakePool::paged);
    pool.put_header(FakePool::paged + 0x400, 0xc00, 0x60, abc, 0);
    EXPECT_NE(run("!pool ffffb000`00000010")
                  .find("ffffb000`00000400 is not a valid pool block: previous size 60 should be 50"),
              std::string::npos);
}

} // namespace
} // namespace poolkd
