#include "hunt/trace_places.h"

#include <gtest/gtest.h>

namespace poolkd::hunt {
namespace {

ShownWords words(std::vector<std::uint64_t> values, std::uint64_t path = 1) {
    return {std::move(values), path};
}

std::optional<std::uint64_t> learn(PointerPlaces& places, const ShownWords& shown, std::vector<std::uint64_t> fits) {
    return places.learn(shown, fits);
}

TEST(PointerPlaces, TrustsAPlaceThatWasRightForSeveralBlocks) {
    PointerPlaces places;
    for (std::uint64_t i = 1; i <= PointerPlaces::enough; ++i) {
        EXPECT_EQ(places.read(words({7, i * 16, 9})), std::nullopt);
        learn(places, words({7, i * 16, i == 1 ? 16u : 9u}), {i * 16});
    }
    EXPECT_EQ(places.read(words({7, 0x900, 9})), 0x900u);
    EXPECT_EQ(places.read(words({7, 0x900, 9}, 2)), std::nullopt) << "another path through the allocator";
}

TEST(PointerPlaces, TheSameBlockAgainProvesNothing) {
    PointerPlaces places;
    for (int i = 0; i < 20; ++i)
        learn(places, words({0x100}), {0x100});
    EXPECT_EQ(places.read(words({0x100})), std::nullopt);
}

TEST(PointerPlaces, NoPlaceThatIsAlwaysRightIsNeverLearned) {
    PointerPlaces places;
    for (std::uint64_t i = 1; i < 20; ++i)
        learn(places, i % 2 ? words({i * 16, 0}) : words({0, i * 16}), {i * 16});
    EXPECT_EQ(places.read(words({1, 2})), std::nullopt);
}

TEST(PointerPlaces, ToldSeveralItFindsTheOneThatIsAlwaysThere) {
    PointerPlaces places;
    // The freed block is in the second word; other words hold others of the driver's blocks now and then.
    EXPECT_EQ(learn(places, words({0x10, 0x20}), {0x10, 0x20}), std::nullopt);
    EXPECT_EQ(learn(places, words({0x7, 0x30}), {0x30}), 0x30u);
    EXPECT_EQ(learn(places, words({0x40, 0x50}), {0x40, 0x50}), 0x50u);
    learn(places, words({0x40, 0x60}), {0x40, 0x60});
    learn(places, words({0x40, 0x70}), {0x40, 0x70});
    EXPECT_EQ(places.read(words({0x40, 0x80})), 0x80u);
    places.doubt(words({}));
    EXPECT_EQ(places.read(words({0x40, 0x80})), std::nullopt);
}

} // namespace
} // namespace poolkd::hunt
