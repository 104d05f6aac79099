#include "app/options.h"

#include <gtest/gtest.h>

namespace poolkd::app {
namespace {

Options parsed(std::vector<std::string> arguments) {
    auto options = parse_options(arguments);
    EXPECT_TRUE(options) << (options ? "" : options.error().message);
    return options.value_or(Options{});
}

std::string refused(std::vector<std::string> arguments, ErrorKind kind = ErrorKind::usage) {
    auto options = parse_options(arguments);
    if (options) return "accepted";
    EXPECT_EQ(options.error().kind, kind);
    return options.error().message;
}

TEST(Options, Connection) {
    EXPECT_EQ(parsed({"-k", "com:pipe,port=/tmp/x,reconnect"}).connection, "com:pipe,port=/tmp/x,reconnect");
    EXPECT_EQ(parsed({"-k", "/dev/ttyS0"}).connection, "/dev/ttyS0");
    EXPECT_EQ(parsed({"-k"}).connection, "") << "from the environment";
    EXPECT_EQ(parsed({"-k", "-c", "q"}).connection, "");
    EXPECT_EQ(parsed({}).connection, std::nullopt);
}

TEST(Options, DashesSlashesAndCaseAreTheSame) {
    Options options = parsed({"/K", "unix:x", "/C", "kb; q", "-LogO", "f", "-Y", "a;b"});
    EXPECT_EQ(options.connection, "unix:x");
    EXPECT_EQ(options.commands, "kb; q");
    EXPECT_EQ(options.log, "f");
    EXPECT_FALSE(options.log_append);
    EXPECT_EQ(options.symbol_path, "a;b");
    EXPECT_TRUE(parsed({"-loga", "f"}).log_append);
    EXPECT_EQ(parsed({"-cf", "script"}).script, "script");
}

TEST(Options, SwitchesMayBeJoined) {
    Options options = parsed({"-rnv"});
    EXPECT_TRUE(options.noisy_symbols);
    EXPECT_TRUE(options.verbose);
    EXPECT_FALSE(parsed({"-b"}).verbose);
    EXPECT_NE(refused({"-nvq"}).find("-nvq"), std::string::npos);
}

TEST(Options, TheLab) {
    EXPECT_EQ(parsed({"--lab"}).lab, "");
    Options options = parsed({"--lab=page", "--lab-seed=7", "--lab-kaslr", "--lab-pipe=com1", "--lab-no-tagging",
                              "--lab-arch=x86", "--lab-era=7", "--lab-processors=2", "--lab-boot=late=on trim=on"});
    EXPECT_EQ(options.lab, "page");
    EXPECT_EQ(options.lab_options.seed, 7u);
    EXPECT_TRUE(options.lab_options.kaslr);
    EXPECT_FALSE(options.lab_options.tagging);
    EXPECT_EQ(options.lab_options.pipe, "com1");
    EXPECT_EQ(options.lab_options.arch, "x86");
    EXPECT_EQ(options.lab_options.era, 7u);
    EXPECT_EQ(options.lab_options.processors, 2u);
    EXPECT_EQ(options.lab_options.extra_boot_words, "late=on trim=on");
    EXPECT_NE(refused({"--lab-seed=x"}).find("'x'"), std::string::npos);
    EXPECT_NE(refused({"--lab-era=8"}).find("7, 10, 11"), std::string::npos);
    EXPECT_NE(refused({"--lab-era"}).find("7|10|11"), std::string::npos);
    EXPECT_NE(refused({"--lab-kaslr=on"}).find("no value"), std::string::npos);
    EXPECT_NE(refused({"--lab-colour=red"}).find("'colour'"), std::string::npos);
    EXPECT_NE(refused({"--lab-pipe=usb"}).find("--lab-pipe"), std::string::npos);
    EXPECT_NE(refused({"--lab", "-k", "unix:x"}).find("exclude"), std::string::npos);
}

TEST(Options, PrintAndExit) {
    for (const char* word : {"-?", "/?", "-h", "--help"})
        EXPECT_EQ(parsed({word}).action, Options::Action::help) << word;
    for (const char* word : {"-version", "--version"})
        EXPECT_EQ(parsed({word}).action, Options::Action::version) << word;
}

TEST(Options, WhatIsNotSupportedSaysSo) {
    EXPECT_NE(refused({"-zp", "pagefile.sys"}, ErrorKind::unsupported).find("-zp: page files"), std::string::npos);
    EXPECT_NE(refused({"-server", "npipe:x"}, ErrorKind::unsupported).find("servers"), std::string::npos);
    EXPECT_NE(refused({"-ee", "c++"}, ErrorKind::unsupported).find("masm"), std::string::npos);
    EXPECT_EQ(parsed({"-ee", "masm"}).action, Options::Action::debug);
}

TEST(Options, AnImageOfMemory) {
    EXPECT_EQ(parsed({"-z", "memory.dmp"}).image, "memory.dmp");
    // A file alone is one, also when its path begins as an option may.
    EXPECT_EQ(parsed({"/proc/self/status", "-c", "q"}).image, "/proc/self/status");
    EXPECT_NE(refused({"/no/such/file"}).find("Unknown option"), std::string::npos);
    EXPECT_NE(refused({"-z", "memory.dmp", "-k", "unix:x"}).find("-z excludes"), std::string::npos);
    EXPECT_NE(refused({"-z", "memory.dmp", "--lab"}).find("-z excludes"), std::string::npos);
}

TEST(Options, Mistakes) {
    EXPECT_EQ(refused({"-c"}), "-c needs a value");
    EXPECT_NE(refused({"-bogus"}).find("Unknown option -bogus"), std::string::npos);
    EXPECT_NE(refused({"--bogus"}).find("Unknown option --bogus"), std::string::npos);
    EXPECT_NE(refused({"word"}).find("'word' is no option"), std::string::npos);
    EXPECT_NE(refused({"-"}).find("'-' is no option"), std::string::npos);
}

TEST(Options, AcceptedAndIgnored) {
    EXPECT_EQ(parsed({"-lines", "-bonc", "-sflags", "0x10", "-clines", "5", "-myob"}).action, Options::Action::debug);
}

TEST(Options, TheHelpNamesEveryExitCode) {
    std::string text = usage_text();
    for (const char* words : {"0 all went well", "1 a command", "2 the command line", "3 no target"})
        EXPECT_NE(text.find(words), std::string::npos) << words;
}

} // namespace
} // namespace poolkd::app
