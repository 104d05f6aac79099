#include "support/session_fixture.h"

namespace poolkd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ProcessorCommands : public testing::SessionFixture {};

// An image may have the registers of some processors only.
TEST_F(ProcessorCommands, OneWhoseRegistersAreNotKnownIsARowOfItsOwn) {
    target->edit_registers().set_ip(kernel_base);
    target->edit_identity().processors = 3; // the target has registers of the first
    const std::string rows = run("~");
    EXPECT_FALSE(failed);
    EXPECT_THAT(rows, AllOf(HasSubstr("0  fffff804`00000000"), HasSubstr("1  1 is not a valid processor number"),
                            HasSubstr("2  2 is not a valid processor number")));
    EXPECT_THAT(run("~*r $t0"), AllOf(HasSubstr("$t0="), HasSubstr("1  1 is not")));
    EXPECT_THAT(run("~ --json"), HasSubstr(R"("error":"1 is not a valid processor number")"));
}

TEST_F(ProcessorCommands, ACommandThatNamesAProcessorItselfIsRefused) {
    target->edit_identity().processors = 13;
    for (const char* line : {"~1 2r", "~* 2r", "~.2r"}) {
        EXPECT_THAT(run(line), HasSubstr("'2r' names a processor itself")) << line;
        EXPECT_TRUE(failed);
    }
}

TEST_F(ProcessorCommands, PseudoRegistersAreThoseOfTheProcessorAskedFor) {
    target->edit_identity().processors = 2;
    session.set_processor(1);
    EXPECT_EQ(run("~0 r $cpu"), "$cpu=0000000000000000\n");
    EXPECT_EQ(run("0r $cpu, $t0"), "$cpu=0000000000000000 $t0=0000000000000000\n");
    EXPECT_EQ(session.processor(), 1u);
}

// An image does not run: there is nobody to ask for a switch.
TEST_F(ProcessorCommands, SwitchWhereTheTargetCannotRun) {
    target->set_processors(2);
    target->set_run_control(false);
    target->edit_registers(1).set_ip(kernel_base + 0x123);
    run("u fffff804`00000010 L1");
    EXPECT_EQ(run("~1s"), "");
    EXPECT_FALSE(failed);
    EXPECT_EQ(session.processor(), 1u);
    EXPECT_THAT(run("r rip"), HasSubstr("rip=fffff80400000123"));
    EXPECT_THAT(run("u"), HasSubstr("fffff804`00000123 "));
    target->edit_identity().processors = 3; // the target has registers of two
    EXPECT_THAT(run("~2s"), HasSubstr("2 is not a valid processor number"));
    EXPECT_TRUE(failed);
    EXPECT_EQ(session.processor(), 1u);
}

} // namespace
} // namespace poolkd
