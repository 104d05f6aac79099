#include "debugger/aliases.h"

#include <gmock/gmock.h>

namespace poolkd::debugger {
namespace {

TEST(Aliases, AreReplacedOnlyWhereTheyStandAlone) {
    Aliases aliases;
    aliases.set("z", "zeta!Clone");
    EXPECT_EQ(aliases.expand_line("u z; k"), "u zeta!Clone; k");
    EXPECT_EQ(aliases.expand_line("u zz z1 zeta"), "u zz z1 zeta");
    EXPECT_EQ(aliases.expand_line("bp x \"z\""), "bp x \"zeta!Clone\"");
    EXPECT_TRUE(aliases.remove("z"));
    EXPECT_FALSE(aliases.remove("z"));
    EXPECT_EQ(aliases.expand_line("u z"), "u z");
}

TEST(Aliases, BracesReplaceThemAnywhere) {
    Aliases aliases;
    aliases.set("z", "zeta!Clone");
    EXPECT_EQ(aliases.expand_line("u ${z}+5"), "u zeta!Clone+5");
    EXPECT_EQ(aliases.expand_line("u a${z}b z${z}"), "u azeta!Cloneb zzeta!Clone") << "the z that touches stays";
    EXPECT_EQ(aliases.expand_line("u ${y}+5 ${"), "u ${y}+5 ${");
}

TEST(Aliases, FormsInBraces) {
    Aliases aliases;
    aliases.set("z", "5");
    EXPECT_EQ(aliases.expand_line("${/d:z} ${/d:y}"), "1 0");
    EXPECT_EQ(aliases.expand_line("[${/f:z}] [${/f:y}]"), "[5] []");
    EXPECT_EQ(aliases.expand_line("${/n:z} ${/n:y}"), "z ${/n:y}");
    EXPECT_EQ(aliases.expand_line("${/v:z} ${/v:y}"), "${/v:z} ${/v:y}");
    EXPECT_EQ(alias_name("${/v:z}"), "z");
    EXPECT_EQ(alias_name("z"), "z");
}

TEST(Aliases, ATypedLineThatIsAboutAliasesStays) {
    Aliases aliases;
    aliases.set("z", "5");
    for (const char* line : {"as z other", "aS z other", " ad z", "al z"})
        EXPECT_EQ(*aliases.expand_line(line), line);
    EXPECT_EQ(aliases.expand_line(";as y z"), ";as y 5") << "a leading ; lifts it";
    EXPECT_EQ(aliases.expand_block("as y z"), "as y 5") << "and a block is no line";
    EXPECT_EQ(aliases.expand_line("assert z"), "assert 5");
}

TEST(Aliases, FixedNamesAreReplacedInsideWords) {
    Aliases aliases;
    EXPECT_EQ(aliases.expand_line("dd $u0+4"), "dd $u0+4");
    aliases.set_fixed(0, "nt!Pool");
    EXPECT_EQ(aliases.expand_line("dd $u0HitTag; r $.u0=x; dd $u1"), "dd nt!PoolHitTag; r $.u0=x; dd $u1");
    EXPECT_EQ(aliases.expand_line("as x $u0"), "as x nt!Pool");
}

TEST(Aliases, LocalNamesComeFirst) {
    Aliases aliases;
    aliases.set("v", "global");
    EXPECT_EQ(aliases.expand_block("v ${v} ${/d:$arg1}", {{"v", "local"}, {"$arg1", "x"}}), "local local 1");
}

TEST(Aliases, DoNotGrowWithoutBound) {
    Aliases aliases;
    aliases.set("x", std::string(1000, 'y'));
    std::string text;
    for (int i = 0; i < 10'000; ++i)
        text += "${x}";
    auto expanded = aliases.expand_block(text);
    ASSERT_FALSE(expanded);
    EXPECT_EQ(expanded.error().kind, ErrorKind::refused);
}

} // namespace
} // namespace poolkd::debugger
