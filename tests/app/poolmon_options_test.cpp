#include "app/poolmon_options.h"

#include <gmock/gmock.h>

namespace poolkd::app::poolmon_options_test {
namespace {

using render::PoolmonKinds;
using render::PoolmonSort;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

PoolmonOptions parsed(std::vector<std::string> words) {
    auto options = parse_poolmon_options(words);
    EXPECT_TRUE(options) << (options ? "" : options.error().message);
    return options.value_or(PoolmonOptions{});
}

std::string refused(std::vector<std::string> words, ErrorKind kind = ErrorKind::usage) {
    auto options = parse_poolmon_options(words);
    if (options) return "accepted";
    EXPECT_EQ(options.error().kind, kind);
    return options.error().message;
}

TEST(PoolmonOptions, BothSpellingsMixWithOurs) {
    auto options = parsed({"/b", "-(", "--lab=idle", "-p", "/p", "/iTa*", "-iFile", "/xMm?x", "--every", "500ms",
                           "--count=3", "-E", "/l", "--lab-seed=2"});
    EXPECT_EQ(options.view.sort, PoolmonSort::bytes);
    EXPECT_TRUE(options.view.by_change);
    EXPECT_EQ(options.view.kinds, PoolmonKinds::paged);
    EXPECT_THAT(options.view.include, ElementsAre("Ta*", "File"));
    EXPECT_THAT(options.view.exclude, ElementsAre("Mm?x"));
    EXPECT_TRUE(options.view.totals);
    EXPECT_FALSE(options.view.highlight);
    EXPECT_EQ(options.target.options.lab, "idle");
    EXPECT_EQ(options.target.options.lab_options.seed, 2u);
    EXPECT_EQ(options.sample.every, 500ms);
    EXPECT_EQ(options.sample.count, 3u);
}

TEST(PoolmonOptions, FilesAreOptional) {
    auto options = parsed({"/g", "/n", "-k", "unix:/run/kd"});
    EXPECT_EQ(options.tag_list, "pooltag.txt");
    EXPECT_EQ(options.snapshot, "poolsnap.log");
    EXPECT_EQ(options.target.options.connection, "unix:/run/kd");
    options = parsed({"-g", "my.txt", "-n", "/tmp/one.log", "/b"});
    EXPECT_EQ(options.tag_list, "my.txt");
    EXPECT_EQ(options.snapshot, "/tmp/one.log");
    EXPECT_EQ(options.view.sort, PoolmonSort::bytes);
    EXPECT_EQ(parsed({"/c"}).tag_list, "localtag.txt");
}

TEST(PoolmonOptions, WhatMeansNothingIsNamed) {
    EXPECT_THAT(refused({"/w"}), HasSubstr("/w"));
    EXPECT_THAT(refused({"bytes"}), HasSubstr("'bytes'"));
    EXPECT_THAT(refused({"/i"}), HasSubstr("/i needs"));
    EXPECT_THAT(refused({"/s1"}, ErrorKind::unsupported), HasSubstr("/s1"));
    EXPECT_THAT(refused({"--every", "soon"}), HasSubstr("'soon'"));
    EXPECT_THAT(refused({"--every"}), HasSubstr("needs a value"));
    EXPECT_THAT(refused({"--count", "0"}), HasSubstr("--count"));
    EXPECT_THAT(refused({"-k"}), HasSubstr("-k needs a value"));
    EXPECT_THAT(refused({"--laboratory"}), HasSubstr("--laboratory"));
}

} // namespace
} // namespace poolkd::app::poolmon_options_test
