#include "support/session_fixture.h"

#include <nlohmann/json.hpp>

#include <cstring>

namespace poolkd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A driver of x64 with one allocation and one free, both of 'Abc '.
class SiteCommands : public testing::SessionFixture {
  protected:
    SiteCommands() {
        memory().map(driver, 0x3000);
        put_headers();
        put_imports();
        put_code();
        const VirtAddr list(0xfffff80400100000), entry = list + 0x100;
        memory().put_value(list, entry.value);
        memory().map(entry, 0x100);
        memory().put_value(entry, list.value);
        memory().put_value(entry + 0x30, driver.value);
        memory().put_value(entry + 0x40, std::uint32_t{0x3000});
        symbols->add("LeakyOpen", 0x1000, true);
        symbols->add("LeakyClose", 0x1030, true);
        session.kernel().modules().refresh();
    }
    template <class T>
    void put(std::uint32_t rva, T value) {
        memory().put_value(driver + rva, value);
    }
    void put_headers() {
        put(0, std::uint16_t{0x5a4d});
        put(0x3c, std::uint32_t{0x80});
        put(0x80, std::uint32_t{0x4550});
        put(0x84, std::uint16_t{0x8664});
        put(0x86, std::uint16_t{2}); // sections
        put(0x94, std::uint16_t{0xf0});
        put(0x98, std::uint16_t{0x20b});
        put(0x98 + 16, std::uint32_t{0x1000}); // entry point
        put(0x98 + 24, driver.value);
        put(0x98 + 32, std::uint32_t{0x1000}); // section alignment
        put(0x98 + 36, std::uint32_t{0x200});
        put(0x98 + 56, std::uint32_t{0x3000}); // size of image
        put(0x98 + 60, std::uint32_t{0x400});
        put(0x98 + 108, std::uint32_t{16});
        put_directory(1, 0x2000, 40);
        put_directory(3, 0x2200, 24);
        put_section(0x188, ".text", 0x1000, 0x60000020);
        put_section(0x1b0, ".rdata", 0x2000, 0x40000040);
    }
    void put_directory(std::uint32_t number, std::uint32_t rva, std::uint32_t size) {
        put(0x98 + 112 + 8 * number, rva);
        put(0x98 + 116 + 8 * number, size);
    }
    void put_section(std::uint32_t at, const char* name, std::uint32_t rva, std::uint32_t characteristics) {
        memory().put(driver + at, name);
        put(at + 8, std::uint32_t{0x1000});
        put(at + 12, rva);
        put(at + 16, std::uint32_t{0x1000});
        put(at + 20, rva);
        put(at + 36, characteristics);
    }
    void put_imports() {
        put(0x2000, std::uint32_t{0x2040}); // names
        put(0x200c, std::uint32_t{0x20c0}); // of the module
        put(0x2010, std::uint32_t{slot});
        put(0x2040, std::uint64_t{0x2080});
        put(0x2048, std::uint64_t{0x20a0});
        put(slot, std::uint64_t{0xfffff80400001000});
        put(slot + 8, std::uint64_t{0xfffff80400002000});
        memory().put(driver + 0x2082, "ExAllocatePoolWithTag");
        memory().put(driver + 0x20a2, "ExFreePoolWithTag");
        memory().put(driver + 0x20c0, "ntoskrnl.exe");
    }
    void put_code() {
        put(0x2240, std::uint32_t{1}); // unwind record without codes
        for (const std::uint32_t begin : {0x1000u, 0x1030u}) {
            const std::uint32_t entry = begin == 0x1000 ? 0x2200 : 0x220c;
            put(entry, begin);
            put(entry + 4, begin + 0x30);
            put(entry + 8, std::uint32_t{0x2240});
        }
        bytes(0x1000, "48 83 ec 28 41 b8 41 62 63 20 ba f0 00 00 00 b9 01 00 00 00 ff 15 46 10 00 00 48 83 c4 28 c3");
        bytes(0x1030, "ba 41 62 63 20 ff 25 2d 10 00 00");
    }
    void bytes(std::uint32_t rva, std::string_view text) {
        for (const std::string_view byte : split_blanks(text))
            put(rva++, static_cast<std::uint8_t>(std::stoul(std::string(byte), nullptr, 16)));
    }

    static constexpr VirtAddr driver{0xfffff80500000000};
    static constexpr std::uint32_t slot = 0x2060;
};

TEST_F(SiteCommands, AllocationsByModule) {
    const std::string text = run("!sites");
    EXPECT_FALSE(failed) << text;
    EXPECT_THAT(text, HasSubstr("fffff805`00001014  allocation  Abc   paged   240  constant  "
                                "imagef80500000000!LeakyOpen+0x14  ExAllocatePoolWithTag\n"));
    EXPECT_THAT(text, Not(HasSubstr("LeakyClose"))) << "frees only when asked for";
    EXPECT_THAT(text, HasSubstr("1 allocation, 1 release; no tag unresolved; 1 shown"));
    EXPECT_THAT(run("!sites /a"), HasSubstr("fffff805`00001035  release     Abc"));
}

TEST_F(SiteCommands, OfATag) {
    EXPECT_THAT(run("!sites Abc"), HasSubstr("LeakyClose+0x5"));
    EXPECT_THAT(run("!sites A*"), HasSubstr("LeakyOpen+0x14"));
    EXPECT_THAT(run("!sites A\\x62c"), HasSubstr("LeakyOpen+0x14")) << "as a tag is written that cannot be typed";
    EXPECT_THAT(run("!sites Xyz"), Not(HasSubstr("Leaky")));
    EXPECT_THAT(run("!sites Abc /m imagef80500000000"), HasSubstr("LeakyOpen+0x14"));
}

TEST_F(SiteCommands, WrongWords) {
    for (const char* line : {"!sites TooLong", "!sites Abc Xyz", "!sites /m nosuch", "!sites /m"}) {
        EXPECT_THAT(run(line), Not(::testing::IsEmpty()));
        EXPECT_TRUE(failed) << line;
    }
}

TEST_F(SiteCommands, CodeIsLookedThroughOnce) {
    run("!sites");
    put(0x1006, std::uint32_t{0x207a7958}); // as if the debugger had changed the tag
    EXPECT_THAT(run("!sites Abc"), HasSubstr("LeakyOpen+0x14")) << "the tag that the driver came with";
}

TEST_F(SiteCommands, CodeThatIsNotThereIsTold) {
    memory().unmap(driver + 0x1000);
    const std::string text = run("!sites /m imagef80500000000");
    EXPECT_THAT(text, HasSubstr("Partial: "));
    EXPECT_FALSE(nlohmann::json::parse(run("!sites --json"))["coverage"]["complete"].get<bool>());
}

TEST_F(SiteCommands, AsJson) {
    const auto json = nlohmann::json::parse(run("!sites Abc /m imagef80500000000 --json"));
    EXPECT_EQ(json["command"], "!sites");
    ASSERT_EQ(json["modules"].size(), 1u);
    const auto& module = json["modules"][0];
    EXPECT_EQ(module["base"], "0xfffff80500000000");
    ASSERT_EQ(module["sites"].size(), 2u);
    EXPECT_EQ(module["sites"][0]["address"], "0xfffff80500001014");
    EXPECT_EQ(module["sites"][0]["tag_rva"], 0x1006);
    EXPECT_EQ(module["sites"][1]["kind"], "release");
    EXPECT_TRUE(json["coverage"]["complete"].get<bool>());
}

} // namespace
} // namespace poolkd
