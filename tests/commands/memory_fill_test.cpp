#include "support/session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

using ::testing::HasSubstr;

constexpr VirtAddr place{0xfffff80480000ff8}; // eight bytes before the end of a page

class FillCommands : public testing::SessionFixture {
  protected:
    FillCommands() {
        for (std::uint64_t i = 0; i < 16; ++i)
            memory().put_value(place - 8 + i, static_cast<std::uint8_t>(i));
    }
    /// Bytes from eight before the page's end on.
    std::string bytes(unsigned count = 8, int offset = 0) {
        return run(fmt::format("db {:x} L{:x}", (place + static_cast<std::uint64_t>(offset)).value, count))
            .substr(19, count * 3 - 1);
    }
};

TEST_F(FillCommands, FillRepeatsThePattern) {
    EXPECT_EQ(run("f fffff804`80000ff8 L5 aa bb"), "Filled 0x5 bytes\n");
    EXPECT_EQ(bytes(6), "aa bb aa bb aa 0d");
    EXPECT_EQ(run("f fffff804`80000ff8 fffff804`80000ffa \"xy\" 0"), "Filled 0x3 bytes\n");
    EXPECT_EQ(bytes(4), "78 79 00 bb");
    run(".undo");
    run(".undo");
    EXPECT_EQ(bytes(6), "08 09 0a 0b 0c 0d");
}

TEST_F(FillCommands, FillTellsWhatItLeavesAlone) {
    const std::string out = run("f fffff804`80000ffc L10 cc");
    EXPECT_THAT(out, HasSubstr("Filled 0x4 bytes\n"));
    EXPECT_THAT(out, HasSubstr("Partial: 12 of 16 bytes"));
    EXPECT_THAT(run("f fffff805`00000000 L4 cc"), HasSubstr("^ Memory access error"));
    EXPECT_THAT(run("f fffff804`80000ff8 L4 100"), HasSubstr("^ Overflow error"));
    EXPECT_THAT(run("f fffff804`80000ff8 L4"), HasSubstr("^ Syntax error"));
    EXPECT_THAT(run("f fffff804`80000ff8 41"), HasSubstr("^ Range error"));
    EXPECT_THAT(run("f fffff804`80000ff8 L?2000000 1"), HasSubstr("^ Range error"));
    EXPECT_THAT(run("fp 1000 L1 0"), HasSubstr("could not undo"));
}

TEST_F(FillCommands, MoveCopiesOverlappingRangesBothWays) {
    EXPECT_EQ(run("m fffff804`80000ff0 L8 fffff804`80000ff4"), "");
    EXPECT_EQ(bytes(8, -4), "00 01 02 03 04 05 06 07");
    run(".undo");
    EXPECT_EQ(run("m fffff804`80000ff4 L8 fffff804`80000ff0"), "");
    EXPECT_EQ(bytes(8, -8), "04 05 06 07 08 09 0a 0b");
    run(".undo");
    EXPECT_EQ(bytes(8, -8), "00 01 02 03 04 05 06 07");
}

TEST_F(FillCommands, MoveLeavesOutWhatCannotBeReadOnEitherSide) {
    EXPECT_THAT(run("m fffff804`80000ff8 L10 fffff804`80000f00"), HasSubstr("Partial: 8 of 16 bytes"));
    EXPECT_EQ(bytes(8, -0xf8), "08 09 0a 0b 0c 0d 0e 0f");
    EXPECT_THAT(run("m fffff805`00000000 L8 fffff804`80000f00"), HasSubstr("^ Memory access error"));
}

TEST_F(FillCommands, CompareShowsEachByteThatDiffers) {
    run("m fffff804`80000ff0 L8 fffff804`80000f00");
    EXPECT_EQ(run("c fffff804`80000ff0 L8 fffff804`80000f00"), "");
    run("eb fffff804`80000f02 ff");
    EXPECT_EQ(run("c fffff804`80000ff0 L8 fffff804`80000f00"), "fffff804`80000ff2  02 - fffff804`80000f02  ff\n");
    EXPECT_THAT(run("c fffff804`80000ff8 L10 fffff804`80000f00"), HasSubstr("Partial: 8 of 16 bytes"));
    const auto json = nlohmann::json::parse(run("c fffff804`80000ff0 L8 fffff804`80000f00 --json"));
    EXPECT_EQ(json["compared"], 8);
    EXPECT_EQ(json["differing"], 1);
    EXPECT_EQ(json["differences"][0]["in_second"], 0xff);
    EXPECT_THAT(run("c fffff804`80000ff0 L8"), HasSubstr("Numeric expression missing"));
}

} // namespace
} // namespace poolkd
