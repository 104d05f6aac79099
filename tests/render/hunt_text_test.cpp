#include "render/hunt.h"
#include "support/hunt_samples.h"

#include <gmock/gmock.h>

namespace poolkd::render {
namespace {

using ::testing::HasSubstr;

TEST(HuntText, EachSuspectTellsTheCommandsThatConfirmIt) {
    const std::string text = hunt_text(samples::hunt_report(), ChartStyle::ascii);
    EXPECT_THAT(text, HasSubstr("   Confirm     !hits \"Abc \" /t 60s | !sites \"Abc \"\n"));
    // No command is broken by the end of a line.
    EXPECT_THAT(text, HasSubstr("   Confirm     !hits DpcQ /t 60s | !retag DpcQ | !sites DpcQ | !poolfind DpcQ 0\n"
                                "               verifier /flags 0x8 /driver dpcwork.sys\n"));
}

} // namespace
} // namespace poolkd::render
