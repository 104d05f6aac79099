#include "app/evidence_arguments.h"
#include "app/options.h"
#include "app/subcommands.h"
#include "support/temporary_directory.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>

namespace poolkd::app {
namespace {

const std::string leak_file = POOLKD_SOURCE_DIR "/tests/cases/evidence/leak.csv";

struct Answer {
    int code = -1;
    std::string out, error;
};

Answer run(std::vector<std::string> words) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Answer answer;
    answer.code = run_subcommand(words).value_or(-1);
    std::fflush(stdout);
    answer.out = ::testing::internal::GetCapturedStdout();
    answer.error = ::testing::internal::GetCapturedStderr();
    return answer;
}

TEST(EvidenceCommands, WrongWordsAreUsageErrors) {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"verdict", leak_file, "-k", "com:port=/dev/ttyS0"},
             {"verdict", leak_file, "--lab"},
             {"verdict", leak_file, "--every", "1s"},
             {"verdict", leak_file, "--interval", "soon"},
             {"verdict", leak_file, "--limit", "much"},
             {"verdict", leak_file, "--fail-on", "flat"},
             {"verdict", leak_file, "--json", "--csv"},
             {"verdict", "com:port=/dev/ttyS0", "--lab"},
             {"diff"},
             {"diff", "com:port=/dev/ttyS0", leak_file},
             {"diff", "com:port=/dev/ttyS0"},
             {"diff", leak_file, leak_file, leak_file},
             {"diff", leak_file, leak_file, "--lab"},
             {"diff", leak_file + "@3"},
             {"diff", "com:port=/dev/ttyS0", "com:port=/dev/ttyS1"},
             {"diff", leak_file, "com:port=/dev/ttyS0", "--lab"},
             {"verdict", "com:port=/dev/ttyS0", "lab:page"},
             {"hunt", "com:port=/dev/ttyS0", "lab:page"},
             {"hunt", leak_file, "--top", "0"},
             {"hunt", leak_file, "--tag", "TooLong"},
             {"hunt", leak_file, "--tag", ""},
             {"hunt", leak_file, "--fail-on", "flat"},
             {"trace", "com:port=/dev/ttyS0"},
             {"trace", "Abc", "Def", "--lab"},
             {"trace", "com:port=/dev/ttyS0", "Abc", "--lab"},
             {"trace", "Abc", "--lab", "--sample", "0"},
             {"verdict", "--lab", "--lab-seed=x"},
             {"trend"},
             {"trend", leak_file, "--sort", "odd"},
             {"trend", leak_file, "--paged", "--nonpaged"},
         }) {
        const Answer answer = run(words);
        std::string line;
        for (const std::string& word : words)
            line += word + " ";
        EXPECT_EQ(answer.code, exit_usage) << line;
        EXPECT_EQ(answer.out, "") << line;
        EXPECT_NE(answer.error, "") << line;
    }
}

TEST(EvidenceCommands, WhatCannotBeReadIsAFailure) {
    for (const char* command : {"verdict", "diff", "trend"}) {
        const Answer answer = run({command, "/nowhere/leak.csv"});
        EXPECT_EQ(answer.code, exit_command_failed) << command;
        EXPECT_TRUE(answer.error.starts_with("poolkd: ")) << answer.error;
    }
    EXPECT_EQ(run({"verdict", leak_file, "--tags", "/nowhere/tags.txt"}).code, exit_command_failed);
    EXPECT_EQ(run({"diff", leak_file + "@61", leak_file}).code, exit_command_failed);
}

TEST(EvidenceCommands, FailOnFindsLeaks) {
    EXPECT_EQ(run({"verdict", leak_file}).code, exit_good);
    EXPECT_EQ(run({"verdict", leak_file, "--fail-on", "leaking"}).code, exit_found);
    EXPECT_EQ(run({"verdict", leak_file, "--fail-on", "growing", "--json"}).code, exit_found);
}

TEST(EvidenceCommands, TheHuntFailsOnTheSame) {
    EXPECT_EQ(run({"hunt", leak_file}).code, exit_good);
    EXPECT_EQ(run({"hunt", leak_file, "--fail-on", "leaking"}).code, exit_found);
    EXPECT_EQ(run({"hunt", leak_file, "--fail-on", "growing", "--json"}).code, exit_found);
}

TEST(EvidenceCommands, TheHuntTakesTagsInEveryForm) {
    for (const char* tag : {"Abc", "'Abc '", "0x20636241", "20636241", "\\x41bc"}) {
        const auto report = nlohmann::json::parse(run({"hunt", leak_file, "--tag", tag, "--json"}).out, nullptr, false);
        ASSERT_TRUE(report.is_object()) << tag;
        ASSERT_EQ(report["suspects"].size(), 1u) << tag;
        EXPECT_EQ(report["suspects"][0]["tag"], "Abc ") << tag;
    }
}

TEST(EvidenceCommands, NumbersThatAreNoneAreTold) {
    EXPECT_NE(run({"hunt", leak_file, "--top", "0"}).error.find("--top: '0' is no number from 1 on"),
              std::string::npos);
    EXPECT_NE(run({"hunt", "--lab", "--lab-seed=x"}).error.find("--lab-seed: 'x' is no number"), std::string::npos);
}

TEST(EvidenceCommands, HelpTellsAboutSubcommands) {
    const Answer answer = run({"help", "hunt"});
    EXPECT_EQ(answer.code, exit_good);
    EXPECT_EQ(answer.out, run({"hunt", "--help"}).out);
    EXPECT_NE(answer.out.find("--lab [=SCENARIO]"), std::string::npos) << answer.out;
    EXPECT_NE(answer.out.find("Exit codes: 0 done"), std::string::npos);
    EXPECT_NE(run({"help", "hunt", "k"}).out.find("\nk"), std::string::npos) << "commands of the debugger too";
    EXPECT_EQ(run({"help", "bogus"}).code, exit_command_failed);
}

TEST(EvidenceCommands, ATagListNamesTheDriver) {
    testing::TemporaryDirectory folder;
    std::ofstream(folder.path() / "tags.txt") << "Abc - leaky.sys - reports of leaky\n";
    const Answer answer = run({"verdict", leak_file, "--tags", (folder.path() / "tags.txt").string()});
    EXPECT_NE(answer.out.find("'Abc ' (leaky.sys, reports of leaky) leaks"), std::string::npos) << answer.out;
}

TEST(EvidenceCommands, TrendsCsvIsEvidenceAgain) {
    testing::TemporaryDirectory folder;
    const std::string copy = (folder.path() / "copy.csv").string();
    const Answer table = run({"trend", leak_file, "--csv"});
    std::ofstream(copy) << table.out;
    EXPECT_EQ(run({"trend", copy, "--csv"}).out, table.out);
    const Answer top = run({"trend", leak_file, "--csv", "--top", "1", "--sort", "bytes"});
    EXPECT_EQ(std::ranges::count(top.out, '\n'), 61) << top.out;
    EXPECT_NE(top.out.find("Abc "), std::string::npos);
}

TEST(EvidenceCommands, ConnectionsAreNoFiles) {
    EXPECT_TRUE(is_connection("com:port=/dev/ttyS0"));
    EXPECT_TRUE(is_connection("lab:page"));
    EXPECT_TRUE(is_connection("net:port=50000,key=1.2.3.4"));
    EXPECT_FALSE(is_connection("leak.series"));
    EXPECT_FALSE(is_connection("./com:x"));
}

TEST(EvidenceCommands, NamesOfSnapshots) {
    auto parse = [](std::string_view text) {
        const SnapshotName name = SnapshotName::parse(text);
        return std::pair(name.file.string(), name.number);
    };
    using Name = std::pair<std::string, std::size_t>;
    EXPECT_EQ(parse("a.csv"), Name("a.csv", 0));
    EXPECT_EQ(parse("a.csv@first"), Name("a.csv", 1));
    EXPECT_EQ(parse("a.csv@last"), Name("a.csv", 0));
    EXPECT_EQ(parse("a.csv@12"), Name("a.csv", 12));
    EXPECT_EQ(parse("a.csv@0"), Name("a.csv@0", 0)) << "they count from 1";
    EXPECT_EQ(parse("me@home"), Name("me@home", 0));
    EXPECT_EQ(parse("@5"), Name("@5", 0));
    testing::TemporaryDirectory folder;
    const std::string odd = (folder.path() / "odd@7").string();
    std::ofstream(odd) << "x";
    EXPECT_EQ(parse(odd), Name(odd, 0)) << "a file of that very name comes first";
}

} // namespace
} // namespace poolkd::app
