#include "support/fake_pool.h"
#include "support/stopped_session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

using testing::FakePool;
using ::testing::HasSubstr;

/// A kernel with a pool, whose allocator is a leaf that meets the tag at once.
class HitsCommand : public testing::StoppedSessionFixture {
  protected:
    HitsCommand() { symbols->add("ExFreePoolWithTag", 0x600, true); }

    /// The next stop is the allocator's int 3.
    void then_hit() {
        target->on_resume(
            [](testing::FakeTarget& self, const target::Resume&) { return stop(self, at(0x640), std::byte{0xcc}); });
    }
    std::uint32_t hit_tag() { return memory().value<std::uint32_t>(at(FakePool::var_hit)).value_or(~0u); }

    FakePool pool{*target, *symbols};
};

TEST_F(HitsCommand, TellsWhatCameOfIt) {
    then_hit();
    then_hit();
    const std::string text = run("!hits Abc /n 2 /nobase /noblocks");
    EXPECT_FALSE(failed) << text;
    EXPECT_THAT(text, HasSubstr("2 hits of 'Abc '"));
    EXPECT_THAT(text, HasSubstr("1. 2 frees\n"));
    EXPECT_THAT(text, HasSubstr("nt!ExFreePoolWithTag+0x40"));
    EXPECT_EQ(hit_tag(), 0u);
    EXPECT_THAT(run(".writes"), HasSubstr("trace of 'Abc '"));
}

TEST_F(HitsCommand, AnswersInJson) {
    then_hit();
    const auto json = nlohmann::json::parse(run("!hits /n 1 /nobase /noblocks 'Abc ' --json"));
    EXPECT_EQ(json["tag"], "Abc ");
    EXPECT_EQ(json["command"], "!hits");
    EXPECT_EQ(json["hits"], 1);
    EXPECT_EQ(json["end"], "limit");
}

TEST_F(HitsCommand, TakesATagInEveryFormThatATagHas) {
    for (const char* tag : {"Abc", "\"Abc \"", "'Abc '", "0x20636241", "20636241", "A\\x62c", "'A\\x62c '"}) {
        then_hit();
        const auto json = nlohmann::json::parse(run(fmt::format("!hits /n 1 /nobase /noblocks {} --json", tag)));
        EXPECT_EQ(json["tag"], "Abc ") << tag;
    }
}

TEST_F(HitsCommand, RefusesWordsThatItDoesNotKnow) {
    for (const char* line : {"!hits", "!hits /n 5", "!hits Abc Def", "!hits TooLong", "!hits Abc /n 0", "!hits 'Abc",
                             "!hits Abc /n x", "!hits Abc /t never", "!hits Abc /share 200%", "!hits Abc /share 0",
                             "!hits Abc /s -1", "!hits Abc /age", "!hits Abc /wrong"}) {
        EXPECT_NE(run(line), "") << line;
        EXPECT_TRUE(failed) << line;
        EXPECT_TRUE(target->resumes().empty()) << line;
    }
    EXPECT_EQ(hit_tag(), 0u);
}

} // namespace
} // namespace poolkd
