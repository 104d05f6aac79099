#include "pool/tag_pattern.h"

#include <gtest/gtest.h>

#include <random>

namespace poolkd::pool {
namespace {

TEST(TagPattern, MatchesWhatThePatternDoes) {
    std::mt19937 random(3);
    std::vector<PoolTag> tags;
    for (std::string_view text : {"Abc ", "Abcd", "Ab", "a", "AbcD", "...."})
        tags.push_back(*PoolTag::from_text(text));
    for (int i = 0; i < 2000; ++i) {
        std::uint32_t value = 0;
        for (int k = 0; k < 4; ++k)
            value = value << 8 | static_cast<std::uint8_t>("Abcd \x01*?."[random() % 9]);
        tags.emplace_back(value | (random() % 4 == 0 ? PoolTag::protected_bit : 0));
    }
    for (std::string_view pattern :
         {"Abc", "Abc ", "A?c?", "Ab*", "*", "****", "A*d", "*d", "", "Abcde", "A.c", "????", "abc*", "Abcd*"})
        for (const PoolTag tag : tags)
            EXPECT_EQ(TagPattern(pattern).matches(tag), tag_matches(tag, pattern)) << pattern << ' ' << tag.value;
}

TEST(TagPattern, OfANumberIsThatTagProtectedOrNot) {
    const TagPattern pattern(PoolTag(0x20636241));
    EXPECT_TRUE(pattern.matches(PoolTag(0x20636241)));
    EXPECT_TRUE(pattern.matches(PoolTag(0xa0636241)));
    EXPECT_FALSE(pattern.matches(PoolTag(0x20636242)));
    EXPECT_TRUE(TagPattern(PoolTag(0xa0636241)).matches(PoolTag(0x20636241)));
}

} // namespace
} // namespace poolkd::pool
