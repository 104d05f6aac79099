#include "base/tag_text.h"

#include <gmock/gmock.h>

namespace poolkd {
namespace {

std::uint32_t parsed(std::string_view word) {
    auto tag = parse_tag(word);
    EXPECT_TRUE(tag) << word;
    return tag ? tag->value : 0;
}

TEST(TagText, CharactersInMemoryOrderPaddedWithBlanks) {
    EXPECT_EQ(parsed("Abc "), 0x20636241u);
    EXPECT_EQ(parsed("Abc"), 0x20636241u);
    EXPECT_EQ(parsed("0x"), 0x20207830u);
    EXPECT_EQ(parsed("1234"), 0x34333231u);
    EXPECT_EQ(parsed("a'b\""), 0x22622761u);
}

TEST(TagText, QuotesOfEitherKindHoldCharacters) {
    EXPECT_EQ(parsed("'Abc '"), 0x20636241u);
    EXPECT_EQ(parsed("\"Abc\""), 0x20636241u);
    EXPECT_EQ(parsed("'0x12'"), 0x32317830u);
}

TEST(TagText, NumbersHaveAPrefixOrEightDigits) {
    EXPECT_EQ(parsed("0x20636241"), 0x20636241u);
    EXPECT_EQ(parsed("0X41"), 0x41u);
    EXPECT_EQ(parsed("20636241"), 0x20636241u);
    EXPECT_EQ(parsed("DeadBeef"), 0xdeadbeefu);
}

TEST(TagText, EscapesStandForWhatCannotBeTyped) {
    EXPECT_EQ(parsed("\\x01O\\xfe\\x09"), 0x09fe4f01u);
    EXPECT_EQ(parsed("'A\\x00b'"), 0x20620041u);
    EXPECT_EQ(parsed("\\xq"), 0x2071785cu); // no escape
    EXPECT_EQ(parsed("a\\b"), 0x20625c61u);
}

TEST(TagText, WhatIsNoTagIsToldInASentence) {
    for (std::string_view word :
         {"", "''", "TooLong", "0x123456789", "'20636241'", "0x2063624g", "\\x01\\x02\\x03\\x04\\x05"}) {
        auto tag = parse_tag(word);
        ASSERT_FALSE(tag) << word;
        EXPECT_EQ(tag.error().kind, ErrorKind::usage);
        EXPECT_THAT(tag.error().message, ::testing::HasSubstr("is no tag: one to four characters"));
    }
}

TEST(TagText, WhatIsWrittenIsReadBack) {
    for (std::uint32_t value : {0x20636241u, 0x09fe4f01u, 0u, 0xffffffffu, 0x41275c22u, 0x3134785cu, 0x66317830u,
                                0x66315830u, 0x20782022u, 0x27782027u, 0x34333231u}) {
        const std::string text = typed_tag(PoolTag(value));
        EXPECT_EQ(parsed(text), value) << text;
        EXPECT_EQ(parsed(fmt::format("'{}'", text)), value) << text;
        EXPECT_EQ(text.find_first_of("\"'"), std::string::npos) << text;
    }
    EXPECT_EQ(typed_tag(PoolTag(0x20636241)), "Abc ");
    EXPECT_EQ(typed_tag(PoolTag(0x09fe4f01)), "\\x01O\\xfe\\x09");
    EXPECT_EQ(typed_tag(*PoolTag::from_text("a b\\")), "a b\\x5c");
    EXPECT_EQ(typed_tag(*PoolTag::from_text("0x1f")), "\\x30x1f");
}

} // namespace
} // namespace poolkd
