#include "app/poolmon_keys.h"

#include <gmock/gmock.h>

namespace poolkd::app {
namespace {

using render::PoolmonKinds;
using render::PoolmonSort;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using enum Key::Kind;

Key letter(char c) {
    return {character, c};
}

TEST(KeyReader, CursorKeysComeInEveryForm) {
    KeyReader reader;
    EXPECT_THAT(reader.feed("\x1b[A\x1bOB\x1b[5~x\x1b[F"),
                ElementsAre(Key{up}, Key{down}, Key{page_up}, letter('x'), Key{end}));
    EXPECT_THAT(reader.feed("\x1b[1;5C"), IsEmpty()); // Ctrl and right: no key of ours
    EXPECT_THAT(reader.pause(), IsEmpty());
}

TEST(KeyReader, AKeyMayComeInPieces) {
    KeyReader reader;
    EXPECT_THAT(reader.feed("\x1b"), IsEmpty());
    EXPECT_THAT(reader.feed("[6"), IsEmpty());
    EXPECT_THAT(reader.feed("~q"), ElementsAre(Key{page_down}, letter('q')));
}

TEST(KeyReader, EscapeAloneIsAKeyAfterAPause) {
    KeyReader reader;
    EXPECT_THAT(reader.feed("\x1b"), IsEmpty());
    EXPECT_THAT(reader.pause(), ElementsAre(Key{escape}));
    EXPECT_THAT(reader.pause(), IsEmpty());
    EXPECT_THAT(reader.feed("\x1b"
                            "b"),
                ElementsAre(Key{escape}, letter('b')));
}

class Keys : public ::testing::Test {
  protected:
    KeyEffect press(Key key) { return apply_key(view, key, 20, 100); }
    KeyEffect press(char c) { return press(letter(c)); }
    render::PoolmonView view;
};

TEST_F(Keys, LettersSort) {
    for (auto [key, sort] : {std::pair{'a', PoolmonSort::allocs},
                             {'f', PoolmonSort::frees},
                             {'d', PoolmonSort::difference},
                             {'b', PoolmonSort::bytes},
                             {'m', PoolmonSort::per_alloc},
                             {'s', PoolmonSort::difference},
                             {'v', PoolmonSort::verdict},
                             {'T', PoolmonSort::tag}}) {
        EXPECT_EQ(press(key), KeyEffect::redraw);
        EXPECT_EQ(view.sort, sort) << key;
    }
    press('(');
    EXPECT_TRUE(view.by_change);
    press(')');
    EXPECT_FALSE(view.by_change);
}

TEST_F(Keys, KindsGoRound) {
    press('p');
    EXPECT_EQ(view.kinds, PoolmonKinds::nonpaged);
    press('p');
    EXPECT_EQ(view.kinds, PoolmonKinds::paged);
    press('p');
    EXPECT_EQ(view.kinds, PoolmonKinds::both);
}

TEST_F(Keys, SwitchesAndEnds) {
    press('l');
    EXPECT_FALSE(view.highlight);
    press('e');
    EXPECT_TRUE(view.totals);
    EXPECT_EQ(press(' '), KeyEffect::refresh);
    EXPECT_EQ(press('3'), KeyEffect::unsupported);
    EXPECT_EQ(press('x'), KeyEffect::none);
    EXPECT_EQ(press('q'), KeyEffect::quit);
    EXPECT_EQ(press(Key{escape}), KeyEffect::quit);
}

TEST_F(Keys, EscapeLeavesTheHelpFirst) {
    press('?');
    EXPECT_TRUE(view.help);
    EXPECT_EQ(press(Key{escape}), KeyEffect::redraw);
    EXPECT_FALSE(view.help);
    press('h');
    EXPECT_EQ(press('b'), KeyEffect::redraw);
    EXPECT_EQ(view.sort, PoolmonSort::tag);
}

TEST_F(Keys, ScrollingStaysInside) {
    press(Key{up});
    EXPECT_EQ(view.first_row, 0u);
    press(Key{page_down});
    press(Key{down});
    EXPECT_EQ(view.first_row, 21u);
    press(Key{end});
    press(Key{down});
    EXPECT_EQ(view.first_row, 80u);
    press(Key{page_up});
    EXPECT_EQ(view.first_row, 60u);
    press('b');
    EXPECT_EQ(view.first_row, 0u);
}

} // namespace
} // namespace poolkd::app
