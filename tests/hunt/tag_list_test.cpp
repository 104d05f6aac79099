#include "hunt/tag_line.h"
#include "hunt/tag_list.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

namespace poolkd::hunt {
namespace {

PoolTag tag(std::string_view text) {
    return *PoolTag::from_text(text);
}

TEST(TagLine, AllForms) {
    struct Case {
        std::string_view line, pattern, binary, description;
    };
    const Case cases[] = {
        {"8042 - i8042prt.sys - PS/2 keyboard and mouse", "8042", "i8042prt.sys", "PS/2 keyboard and mouse"},
        {"@MP  - <unknown>    - (Intel video driver) Miniport", "@MP ", "", "(Intel video driver) Miniport"},
        {"Fsb -  netio.sys    - Fixed-Size Block pool", "Fsb ", "netio.sys", "Fixed-Size Block pool"},
        {"ATmp - AppTag mount point", "ATmp", "", "AppTag mount point"},
        {"smAr - nt!store or rdyboost.sys - ReadyBoost", "smAr", "nt!store or rdyboost.sys", "ReadyBoost"},
        {"Abc- foo.sys -text", "Abc ", "foo.sys", "text"},
        {"Abcd-foo.sys-text - more", "Abcd", "foo.sys-text", "more"},
        {"Abcd-foo.sys-text", "Abcd", "foo.sys", "text"},
        {"Abcd-<unknown>-text", "Abcd", "", "text"},
        {"ab - x.sys - y", "ab  ", "x.sys", "y"},
        {"A-b  - x.sys - y - z", "A-b ", "x.sys", "y - z"},
        {"--ab - x.sys - y", "--ab", "x.sys", "y"},
        {"Dh 1 - win32k.sys - Gdi", "Dh 1", "win32k.sys", "Gdi"},
        {"Afd? - afd.sys      - AFD objects", "Afd?", "afd.sys", "AFD objects"},
        {"Bu*  - <unknown>    - burneng.sys from adaptec", "Bu*", "", "burneng.sys from adaptec"},
        {"*    - any.sys - all", "*", "any.sys", "all"},
        {"Abcd - foo.sys", "Abcd", "foo.sys", ""},
        {"Abcd - foo.sys -", "Abcd", "foo.sys", ""},
        {"Abcd - multi-part.sys - x", "Abcd", "multi-part.sys", "x"},
        {"Abcd - foo.sys - na\xefve\r", "Abcd", "foo.sys", "na\xc3\xafve"},
        {"Abcd - foo.sys - na\xc3\xafve", "Abcd", "foo.sys", "na\xc3\xafve"},
        {"Abc  foo.sys", "Abc ", "foo.sys", ""},
        {"Abcd foo.sys bar.sys", "Abcd", "foo.sys bar.sys", ""},
    };
    for (const Case& one : cases) {
        const auto entry = tag_line(one.line);
        ASSERT_TRUE(entry) << one.line;
        EXPECT_EQ(entry->pattern, one.pattern) << one.line;
        EXPECT_EQ(entry->binary, one.binary) << one.line;
        EXPECT_EQ(entry->description, one.description) << one.line;
    }
    for (std::string_view line :
         {"       <unknown>", "Abcde - foo.sys - x", "words that say nothing", "-", "    - x - y"})
        EXPECT_FALSE(tag_line(line)) << line;
    for (std::string_view line : {"", "  ", "rem", "REM FsLib", "rem    <PoolTag> - <b> - <d>", "// text", "\r"})
        EXPECT_TRUE(is_tag_remark(line)) << line;
    EXPECT_FALSE(is_tag_remark("Remo - x.sys - y"));
}

TEST(TagLists, ExactBeforePatternAndLongerBeforeShorter) {
    TagLists lists;
    EXPECT_TRUE(lists.empty());
    lists.add_text(
        "A* - one.sys - 1\nAb?? - two.sys - 2\nAbc? - three.sys - 3\nAbcd - four.sys - 4\nAbcd - no.sys - 5\n"
        "nothing\n*z - end.sys - 6\n");
    EXPECT_EQ(lists.find(tag("Abcd"))->binary, "four.sys");
    EXPECT_EQ(lists.find(tag("Abce"))->binary, "three.sys");
    EXPECT_EQ(lists.find(tag("Abc"))->binary, "three.sys");
    EXPECT_EQ(lists.find(tag("Abxy"))->binary, "two.sys");
    EXPECT_EQ(lists.find(tag("Axyz"))->binary, "one.sys");
    EXPECT_EQ(lists.find(tag("xyzz"))->binary, "end.sys");
    EXPECT_FALSE(lists.find(tag("xxxx")));
    EXPECT_EQ(lists.find(PoolTag(tag("Abcd").value | PoolTag::protected_bit))->binary, "four.sys");
    EXPECT_EQ(lists.skipped_lines(), 1u);
}

TEST(TagLists, TheFirstListThatKnowsTheTagDecides) {
    TagLists lists;
    lists.add_text("Abc? - mine.sys - pattern of my own\n");
    lists.add_text("Abcd - theirs.sys - exact\nOthe - theirs.sys - other\n");
    EXPECT_EQ(lists.find(tag("Abcd"))->binary, "mine.sys");
    EXPECT_EQ(lists.find(tag("Othe"))->binary, "theirs.sys");
}

TEST(TagLists, Files) {
    poolkd::testing::TemporaryDirectory folder;
    const auto file = folder.path() / "pooltag.txt";
    std::ofstream(file, std::ios::binary) << std::string("\xff\xfe"
                                                         "A\0b\0c\0d\0 \0-\0 \0x\0.\0s\0y\0s\0\r\0\n\0",
                                                         30);
    TagLists lists;
    ASSERT_TRUE(lists.add(file));
    EXPECT_EQ(lists.find(tag("Abcd"))->binary, "x.sys");
    EXPECT_EQ(lists.add(folder.path() / "none").error().kind, ErrorKind::not_found);
    EXPECT_EQ(lists.add(folder.path()).error().kind, ErrorKind::io);
}

TEST(TagLists, TheRealList) {
    const std::filesystem::path path = std::filesystem::path(POOLKD_SHARED_DATA) / "pooltag/pooltag.txt";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
    TagLists lists;
    ASSERT_TRUE(lists.add(path));
    EXPECT_EQ(lists.skipped_lines(), 2u); // the second line of an entry, and a sentence
    EXPECT_EQ(lists.find(tag("Fsb"))->binary, "netio.sys");
    EXPECT_EQ(lists.find(tag("File"))->description, "File objects");
    EXPECT_EQ(lists.find(tag("AfdX"))->description, "Afd context buffer");
    EXPECT_EQ(lists.find(tag("Afd!"))->description, "AFD objects");
    EXPECT_EQ(lists.find(tag("Amlx"))->pattern, "Aml*");
    EXPECT_EQ(lists.find(tag("ATmp"))->description, "AppTag mount point");
    EXPECT_EQ(lists.find(tag("FCwr"))->binary, "dxgkrnl!CFlipWaitedConsumerReturn::operator new");

    // The slow way: every line that begins with the tag and a dash.
    std::ifstream in(path);
    std::map<std::string, std::string> first;
    for (std::string line; std::getline(in, line);)
        if (line.size() > 7 && line.substr(4, 3) == " - " && !is_tag_remark(line) &&
            line.substr(0, 4).find_first_of("*?") == std::string::npos)
            first.emplace(line.substr(0, 4), line);
    EXPECT_GT(first.size(), 4000u);
    for (const auto& [name, line] : first) {
        const auto entry = lists.find(tag(name));
        ASSERT_TRUE(entry) << line;
        EXPECT_EQ(entry->pattern, name) << line;
        EXPECT_NE(line.find(entry->description), std::string::npos) << line;
        EXPECT_NE(line.find(entry->binary), std::string::npos) << line;
    }
}

} // namespace
} // namespace poolkd::hunt
