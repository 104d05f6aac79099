#include "support/session_fixture.h"

namespace poolkd::commands {
namespace {

using ::testing::HasSubstr;

using RetagCommand = testing::SessionFixture;

TEST_F(RetagCommand, WithoutATagItTellsWhatIsRetagged) {
    EXPECT_THAT(run("!retag"), HasSubstr("No tag is retagged"));
    EXPECT_FALSE(failed);
    EXPECT_THAT(run("!retag --json"), HasSubstr("\"tags\":[]"));
    EXPECT_THAT(run("!retag /undo"), HasSubstr("There is nothing to undo"));
    EXPECT_TRUE(failed);
}

TEST_F(RetagCommand, WordsThatMeanNothingAreErrors) {
    EXPECT_THAT(run("!retag /plan"), HasSubstr("Missing tag"));
    EXPECT_THAT(run("!retag /plan /undo Abc"), HasSubstr("exclude each other"));
    EXPECT_THAT(run("!retag Abc Def"), HasSubstr("Extra character error"));
    EXPECT_THAT(run("!retag /what"), HasSubstr("Extra character error"));
    EXPECT_THAT(run("!retag toolong"), HasSubstr("Syntax error"));
}

} // namespace
} // namespace poolkd::commands
