#include "dumps/triage.h"
#include "hunt/tag_owner.h"
#include "support/fake_pool.h"
#include "support/session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

using testing::FakePool;
using ::testing::HasSubstr;
using ::testing::Not;

/// A kernel in a bug check, with a page of pool that holds Abc (3b0 bytes), Xyz (50) and a free block.
class CrashCommands : public testing::SessionFixture {
  protected:
    CrashCommands() {
        symbols->add("KiBugCheckData", data);
        const std::uint64_t page = FakePool::paged;
        memory().map(VirtAddr(page), 4096);
        pool.put_header(page, 0x3b0, 0, abc, 3);
        pool.put_header(page + 0x3b0, 0x50, 0x3b0, xyz, 3);
        pool.put_header(page + 0x400, 0xc00, 0x50, abc, 0);
    }
    void crash(std::uint64_t code, std::uint64_t p1 = 0, std::uint64_t p2 = 0, std::uint64_t p3 = 0,
               std::uint64_t p4 = 0) {
        std::uint32_t at = data;
        for (const std::uint64_t value : {code, p1, p2, p3, p4}) {
            pool.set(at, value);
            at += 8;
        }
    }
    /// A driver of three pages on the loader's list, all there but the second.
    void load_driver() {
        const VirtAddr list(0xfffff80400100000), entry = list + 0x100;
        memory().put_value(list, entry.value);
        memory().map(entry, 0x100);
        memory().put_value(entry, list.value);
        memory().put_value(entry + 0x30, driver.value);
        memory().put_value(entry + 0x40, std::uint32_t{0x3000});
        memory().map(driver, 0x1000);
        memory().map(driver + 0x2000, 0x1000);
        session.kernel().modules().refresh();
    }
    nlohmann::json analyze() { return nlohmann::json::parse(run("!analyze --json")); }

    static constexpr std::uint32_t data = 0x1100, abc = 0x20636241, xyz = 0x207a7958;
    static constexpr VirtAddr driver{0xfffff80500000000};
    static constexpr std::uint64_t second = FakePool::paged + 0x3c0, third = FakePool::paged + 0x410;
    FakePool pool{*target, *symbols};
};

TEST_F(CrashCommands, WithoutABugCheckBothSayIt) {
    EXPECT_EQ(run(".bugcheck"), "The target is in no bug check\n");
    EXPECT_TRUE(failed);
    EXPECT_EQ(run("!analyze"), "The target is in no bug check: there is nothing to analyze\n");
    EXPECT_FALSE(failed);
    EXPECT_EQ(run("!analyze -q"), "!analyze takes -v, not '-q'\n");
}

TEST_F(CrashCommands, BugcheckShowsCodeAndParameters) {
    crash(0xc2, 7, 0, 0x2060003, second);
    EXPECT_EQ(run(".bugcheck"), "Bugcheck code 000000C2\n"
                                "Arguments 00000000`00000007 00000000`00000000 00000000`02060003 ffffb000`000003c0\n");
    const auto json = nlohmann::json::parse(run(".bugcheck --json"));
    EXPECT_EQ(json["name"], "BAD_POOL_CALLER");
    EXPECT_EQ(json["parameters"][3], "0xffffb000000003c0");
}

TEST_F(CrashCommands, ABlockThatWasFreedTwice) {
    crash(0xc2, 7, 0, 0, third);
    auto json = analyze();
    EXPECT_EQ(json["what"], "A block of pool was freed that is free already.");
    EXPECT_EQ(json["pool"]["block"]["tag"], "Abc ");
    EXPECT_EQ(json["pool"]["region"], "paged");
    EXPECT_TRUE(json["evidence_agrees"].get<bool>());
    crash(0xc2, 6, 0, second - 0x10);
    json = analyze();
    EXPECT_EQ(json["tag"], "Xyz ");
    EXPECT_FALSE(json["evidence_agrees"].get<bool>());
    const std::string text = run("!analyze -v");
    EXPECT_THAT(text, HasSubstr("BAD_POOL_CALLER (c2)\nA block of pool was freed that is free already.\nArguments:\n"
                                "Arg1: 0000000000000006, what went wrong\n"
                                "Arg2: 0000000000000000\n"
                                "Arg3: ffffb000000003b0, the header\n"));
    EXPECT_THAT(text, HasSubstr("BUGCHECK_CODE:  c2\n\nBUGCHECK_P1: 6\n"));
    EXPECT_THAT(text, HasSubstr("The block there is ffffb000`000003b0 (0x50 bytes, tag 'Xyz ', allocated)."));
    EXPECT_THAT(text, HasSubstr("In front of it lies ffffb000`00000000 (0x3b0 bytes, tag 'Abc ', allocated)."));
    EXPECT_THAT(text, HasSubstr("Memory does not show what the parameters say"));
}

TEST_F(CrashCommands, TheWrongTag) {
    crash(0xc2, 0xa, second, xyz, abc);
    const auto json = analyze();
    EXPECT_EQ(json["findings"][0], "The block was allocated as 'Xyz ' and freed as 'Abc '.");
    EXPECT_TRUE(json["evidence_agrees"].get<bool>());
}

TEST_F(CrashCommands, AnAddressThatIsNoBlock) {
    crash(0xc2, 0x46, second + 8);
    EXPECT_THAT(run("!analyze"), HasSubstr("and the address is 0x8 bytes inside of it"));
    crash(0xc2, 0x42, 0x12345678);
    EXPECT_THAT(run("!analyze"), HasSubstr("00000000`12345678 lies outside of nonpaged and paged pool "
                                           "(special and session pool lie elsewhere)."));
}

TEST_F(CrashCommands, AnAddressOutsideOfBothPoolsIsLookedAtAllTheSame) {
    const std::uint64_t session = FakePool::paged + 0x10000000000;
    memory().map(VirtAddr(session), 4096);
    pool.put_header(session, 0x400, 0, xyz, 3);
    pool.put_header(session + 0x400, 0xc00, 0x400, abc, 0);
    crash(0xc2, 7, 0, 0, session + 0x10);
    const std::string text = run("!analyze");
    EXPECT_THAT(text, HasSubstr("lies outside of nonpaged and paged pool (special and session pool lie elsewhere)."));
    EXPECT_THAT(text, HasSubstr("The block there is ffffb100`00000000 (0x400 bytes, tag 'Xyz ', allocated)."));
    EXPECT_THAT(text, Not(HasSubstr("what the parameters say"))) << "special pool has no such headers";
    pool.set(FakePool::var_np_start, 0); // no pool but paged pool is known
    EXPECT_THAT(run("!analyze"), Not(HasSubstr("lies outside of")));
}

TEST_F(CrashCommands, ADamagedHeaderPointsAtTheBlockInFront) {
    memory().put(VirtAddr(FakePool::paged + 0x3b0), "AAAAAAAAOVERRUN!");
    crash(0x19, 0x20, FakePool::paged, FakePool::paged + 0x3b0, 0);
    const auto json = analyze();
    EXPECT_EQ(json["tag"], "Abc ");
    EXPECT_TRUE(json["evidence_agrees"].get<bool>());
    EXPECT_EQ(json["pool"]["broken"]["at"], "0xffffb000000003b0");
    const std::string text = run("!analyze");
    EXPECT_THAT(text, HasSubstr("Text stands where a header should be: \"AAAAAAAAOVERRUN!\"."));
    EXPECT_THAT(text, HasSubstr("The last block in front of that is ffffb000`00000000 (0x3b0 bytes, tag 'Abc ', "
                                "allocated)."));
}

TEST_F(CrashCommands, ALargeBlock) {
    pool.put_big(3, FakePool::paged + 0x4000, "Big1", 0x2000, 1);
    crash(0xc2, 0xa, FakePool::paged + 0x4000, 0x31676942, abc);
    EXPECT_THAT(run("!analyze"), HasSubstr("The large block there is ffffb000`00004000 (0x2000 bytes, tag 'Big1', "
                                           "allocated)."));
    crash(0x19, 0x22, FakePool::paged + 0x9000);
    EXPECT_THAT(run("!analyze"), HasSubstr("and its page cannot be read"));
    EXPECT_FALSE(analyze()["coverage"]["complete"].get<bool>());
}

// That there is no record of a large block can be said only of a table that was read.
TEST_F(CrashCommands, ALargeBlockWithoutTheTableOfThem) {
    crash(0x19, 0x22, FakePool::paged + 0x10);
    EXPECT_TRUE(analyze()["evidence_agrees"].get<bool>());
    pool.set(FakePool::var_big_size, 0x10000); // most of it is not there
    EXPECT_FALSE(analyze().contains("evidence_agrees"));
    pool.set(FakePool::var_big, 0);
    const auto json = analyze();
    EXPECT_FALSE(json.contains("evidence_agrees"));
    EXPECT_FALSE(json["coverage"]["complete"].get<bool>());
    EXPECT_THAT(run("!analyze"), Not(HasSubstr("Memory shows what the parameters say")));
}

TEST_F(CrashCommands, OwnersOfATagAreLookedForWithCoverage) {
    load_driver();
    const std::vector<std::string> on_stack{"imagef80500000000"};
    Work work;
    auto coverage = [&] { return hunt::find_tag_owners(session.kernel(), PoolTag(xyz), on_stack, work).coverage; };
    EXPECT_EQ(coverage().missing(), 0x1000u) << "the page that is not there";
    memory().map(driver + 0x1000, 0x1000);
    EXPECT_TRUE(coverage().complete());
    for (std::uint64_t i = 0; i < 65; ++i)
        memory().put_value(driver + 0x2000 + 8 * i, xyz);
    EXPECT_EQ(coverage().missing(), 0x1000u - 64 * 8) << "more places than are looked at";
    work.request_stop();
    EXPECT_TRUE(coverage().stopped());
}

TEST_F(CrashCommands, NoOwnerIsSaidOnlyOfCodeThatWasRead) {
    load_driver();
    target->edit_registers().set_ip(driver + 0x10);
    crash(0xc2, 7, 0, 0, second);
    EXPECT_THAT(run("!analyze"), HasSubstr("No driver on the stack has the tag 'Xyz ' in what could be read of its "
                                           "code."));
    memory().map(driver + 0x1000, 0x1000);
    EXPECT_THAT(run("!analyze"), HasSubstr("No driver on the stack has the tag 'Xyz ' in its code."));
}

TEST_F(CrashCommands, ADriverThatLeftBlocksBehind) {
    const VirtAddr name(0xffffc00000900000);
    memory().put_value<std::uint16_t>(name, 16);
    memory().put_value<std::uint16_t>(name + 2, 18);
    memory().put_value(name + 8, name.value + 0x10);
    for (std::size_t i = 0; i < 8; ++i)
        memory().put_value(name + 0x10 + 2 * i, static_cast<std::uint16_t>(u"zeta.sys"[i]));
    for (const std::uint64_t at : {name.value, name.value + 0x10}) { // a UNICODE_STRING, and its text
        crash(0xc4, 0x62, at, 0, 0x5001);
        const auto json = analyze();
        EXPECT_EQ(json["culprit"]["image"], "zeta.sys");
        EXPECT_EQ(json["how_sure"], "Sure: the kernel counted the blocks.");
        EXPECT_THAT(json["findings"].dump(), HasSubstr("zeta.sys left 20481 blocks of pool behind"));
    }
    crash(0xc4, 0x62, 0xdead0000, 0, 1);
    const auto json = analyze();
    EXPECT_THAT(json["missing"].dump(), HasSubstr("The driver's name"));
    EXPECT_FALSE(json.contains("culprit"));
}

TEST_F(CrashCommands, AccessToPoolThatIsNotThere) {
    crash(0x50, FakePool::nonpaged + 0x5010, 2, (kernel_base + 0x100).value);
    const std::string text = run("!analyze");
    EXPECT_THAT(text, HasSubstr("lies in nonpaged pool, and its page cannot be read."));
    EXPECT_THAT(text, HasSubstr(" wrote to ffffa000`00005010."));
}

TEST_F(CrashCommands, MemoryThatRanOutNamesTheLargestTags) {
    pool.put_row(FakePool::tracker, 2, {"Leak", 100, 0, 4096000});
    pool.put_row(FakePool::tracker, 3, {"Less", 100, 0, 1024});
    crash(0x3f, 0, 64, 12, 5000);
    const std::string text = run("!analyze");
    EXPECT_THAT(text, HasSubstr("64 entries were asked for; 12 of 5000 are free."));
    EXPECT_THAT(text, HasSubstr("Of 4001 KB of nonpaged pool in use, the largest tags hold: 'Leak' 4000 KB, 'Less' 1 "
                                "KB."));
    EXPECT_THAT(text, HasSubstr("!poolused 2"));
}

TEST_F(CrashCommands, APoolThatWasDamagedEarlierIsNoMemoryThatRanOut) {
    crash(0xc5, 0x4000, 2, 0, (kernel_base + 0x100).value);
    const auto json = analyze();
    EXPECT_FALSE(json.contains("culprit"));
    EXPECT_EQ(json["how_sure"], "Nothing points at a driver: whoever damaged the pool did it earlier; Driver Verifier "
                                "with special pool catches it in the act.");
    EXPECT_THAT(json.dump(), Not(HasSubstr("!poolused 2")));
}

TEST_F(CrashCommands, HeapCorruptionHasItsKindInWords) {
    crash(0x13a, 6, 0xffffa00000000000, second);
    EXPECT_THAT(run("!analyze -v"), HasSubstr("somebody wrote past the end of a block (heap_failure_buffer_overrun)"));
}

TEST_F(CrashCommands, AFreeBlockThatWasWrittenToNeedNotShowIt) {
    const std::uint64_t free_block = FakePool::paged + 0x400;
    crash(0x19, 0xe, free_block, 1, 2);
    auto json = analyze();
    EXPECT_FALSE(json.contains("evidence_agrees")) << "its sizes are right";
    memory().put(VirtAddr(free_block), "AAAAAAAAOVERRUN!");
    json = analyze();
    EXPECT_TRUE(json["evidence_agrees"].get<bool>());
    EXPECT_EQ(json["tag"], "Xyz ") << "of the block in front";
}

TEST_F(CrashCommands, AHeapThatMayCommitNoMoreNamesTheLargestTags) {
    pool.put_row(FakePool::tracker, 2, {"Leak", 100, 0, 4096000});
    crash(0x13a, 21, 0xffffa00000000000, 0);
    EXPECT_THAT(run("!analyze"), HasSubstr("the largest tags hold: 'Leak' 4000 KB"));
}

TEST_F(CrashCommands, OthersHaveTheirNameAlone) {
    crash(0x0a, 0x10, 2, 0, 0xfffff80400000100);
    const std::string text = run("!analyze");
    EXPECT_THAT(text, HasSubstr("IRQL_NOT_LESS_OR_EQUAL: This bug check is not one of those about pool."));
    EXPECT_THAT(text, Not(HasSubstr("What shows it")));
    crash(0xabcdef);
    EXPECT_THAT(run("!analyze"), HasSubstr("Unknown bug check"));
    crash(0xc2, 0x777);
    EXPECT_THAT(run("!analyze"), HasSubstr("in a way that is not described (subcode 0x777)"));
}

TEST_F(CrashCommands, WithoutSymbolsTheParametersAreStillTold) {
    crash(0xc2, 7, 0, 0, third);
    pool.set(FakePool::var_big, 0);
    memory().unmap(VirtAddr(FakePool::paged));
    const auto json = analyze();
    EXPECT_FALSE(json["coverage"]["complete"].get<bool>());
    EXPECT_FALSE(json.contains("evidence_agrees"));
}

TEST_F(CrashCommands, ASmallDumpSaysThatItHasNoPool) {
    dumps::TriageRecords records;
    records.memory = dumps::TriageMemory{.nonpaged_allocated = 5u << 20, .paged_allocated = 7u << 20};
    records.broken_driver = "zeta.sys";
    target->set_driver_records(&records);
    for (const char* command : {"!poolused", "!poolused 1 Abc", "!poolfind Abc 1", "!pool ffffb000`000003c0"}) {
        const std::string text = run(command);
        EXPECT_TRUE(failed) << command;
        EXPECT_THAT(text, HasSubstr("not in this dump: a small memory dump")) << command;
        EXPECT_THAT(text, HasSubstr("5120 KB of nonpaged and 7168 KB of paged pool in use")) << command;
        EXPECT_THAT(text, Not(HasSubstr("TOTAL"))) << command;
    }
    crash(0xc2, 0xa, second, xyz, abc);
    const std::string text = run("!analyze");
    EXPECT_THAT(text, HasSubstr("5120 KB of nonpaged pool and 7168 KB of paged pool in use"));
    EXPECT_THAT(text, HasSubstr("The writer of the dump names zeta.sys as the driver at fault."));
    EXPECT_THAT(text, HasSubstr("The block was allocated as 'Xyz ' and freed as 'Abc '."));
    EXPECT_THAT(text, HasSubstr("The pool: this is a small memory dump"));
    EXPECT_THAT(text, Not(HasSubstr("!pool ")));
}

} // namespace
} // namespace poolkd
