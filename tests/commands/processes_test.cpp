#include "support/fake_processes.h"
#include "support/stopped_session_fixture.h"

#include <nlohmann/json.hpp>

namespace poolkd {
namespace {

using ::testing::AllOf;
using testing::FakeProcesses;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr VirtAddr system_process{0xffffe00000010000}, smss{0xffffe00000020000};
constexpr VirtAddr worker{0xffffe00000011000}, idle{0xffffe00000012000}, stack{0xfffff88000014000};
constexpr VirtAddr block{0xfffff80400002000};

class ProcessesAndThreads : public testing::StoppedSessionFixture {
  protected:
    ProcessesAndThreads() {
        processes.add_process(system_process, 4, "System");
        processes.add_process(smss, 0x100, "smss.exe", 0x7000);
        processes.add_thread(worker, smss, 0x104, stack, at(0x510));
        processes.add_thread(idle, system_process, 8, stack + 0x400, at(0x510));
        target->set_processor_block(0, block);
        memory().put_value(block + 8, idle.value);
        // A page of smss.exe at 400000, by its own tables; the page that runs has another there.
        entry(0x7000, 0, 0x8067);
        entry(0x8000, 0, 0x9067);
        entry(0x9000, 2, 0xa067);
        entry(0xa000, 0, 0xb067);
        entry(0xa000, 1, 0xc880); // in transition
        entry(0xa000, 2, 0x1234567800000080);
        target->physical_memory().put(PhysAddr(0xb000), "smss");
        target->physical_memory().put(PhysAddr(0xc000), "left");
        memory().put(VirtAddr(0x400000), "idle");
    }
    void entry(std::uint64_t table, std::size_t index, std::uint64_t value) {
        target->physical_memory().put_value(PhysAddr(table + 8 * index), value);
    }

    FakeProcesses processes{memory(), *symbols, kernel_base};
};

TEST_F(ProcessesAndThreads, ProcessList) {
    EXPECT_EQ(run("!process 0 0"), "**** NT ACTIVE PROCESS DUMP ****\n"
                                   "PROCESS ffffe00000010000\n"
                                   "    SessionId: 0  Cid: 0004    Peb: 00000000  ParentCid: 0000\n"
                                   "    DirBase: 00001000  ObjectTable: 0000000000000000  HandleCount:   0.\n"
                                   "    Image: System\n\n"
                                   "PROCESS ffffe00000020000\n"
                                   "    SessionId: 0  Cid: 0100    Peb: 00000000  ParentCid: 0000\n"
                                   "    DirBase: 00007000  ObjectTable: 0000000000000000  HandleCount:   0.\n"
                                   "    Image: smss.exe\n\n");
    EXPECT_THAT(run("!process 0 0 SMSS.EXE"), AllOf(HasSubstr("smss.exe"), Not(HasSubstr("System"))));
    EXPECT_THAT(run("!process 0 0 none.exe"), HasSubstr("No process is of the image none.exe\n"));
    EXPECT_THAT(run("!process /s 1 0 0"), Not(HasSubstr("Image:")));
}

TEST_F(ProcessesAndThreads, OneProcessByItsIdItsAddressOrAsTheCurrentOne) {
    EXPECT_THAT(
        run("!process 100 0"),
        AllOf(HasSubstr("Searching for Process with Cid == 100\nPROCESS ffffe00000020000\n"), Not(HasSubstr("DUMP"))));
    EXPECT_THAT(run("!process ffffe000`00020000 0"), HasSubstr("Image: smss.exe\n"));
    EXPECT_THAT(run("!process -1 0"), HasSubstr("Image: System\n"));
    EXPECT_THAT(run("!process 200 0"), HasSubstr("There is no process with the id 200"));
    EXPECT_TRUE(failed);
    EXPECT_THAT(run("!process ffffe000`00011000 0"), HasSubstr("ffffe000`00011000 is not a process object"));
    EXPECT_TRUE(failed);
}

TEST_F(ProcessesAndThreads, FlagsChooseWhatIsShown) {
    const std::string line = "        THREAD ffffe00000011000  Cid 0100.0104  Teb: 0000000000000000 Win32Thread: "
                             "0000000000000000 WAIT: (DelayExecution) KernelMode Non-Alertable\n";
    EXPECT_THAT(run("!process 100 0"), Not(HasSubstr("THREAD")));
    EXPECT_THAT(run("!process 100 1"), AllOf(HasSubstr("KernelTime"), Not(HasSubstr("THREAD"))));
    EXPECT_THAT(run("!process 100 4"), AllOf(HasSubstr(line), Not(HasSubstr("Stack Init"))));
    EXPECT_THAT(run("!process 100 2"), AllOf(HasSubstr(line),
                                             HasSubstr("        Stack Init fffff88000014100 Current "
                                                       "fffff88000014000\n"),
                                             Not(HasSubstr("Child-SP"))));
    EXPECT_THAT(run("!process 100 6"),
                AllOf(HasSubstr(line), HasSubstr(": Args to Child"), HasSubstr("        fffff880`00014040 ")));
    EXPECT_THAT(run("!process 100 e"), AllOf(HasSubstr("Child-SP"), Not(HasSubstr("Args to Child"))));
    EXPECT_THAT(run("!process 4 4"), HasSubstr("RUNNING on processor 0\n"));
}

TEST_F(ProcessesAndThreads, AsJson) {
    const auto json = nlohmann::json::parse(run("!process 0 6 --json"));
    ASSERT_EQ(json["processes"].size(), 2u);
    EXPECT_EQ(json["coverage"]["complete"], true);
    const auto& thread = json["processes"][1]["threads"].at(0);
    EXPECT_EQ(json["processes"][1]["name"], "smss.exe");
    EXPECT_EQ(thread["wait_reason"], "DelayExecution");
    EXPECT_EQ(thread["stack"]["frames"][0]["site"], "nt!Worker+0x10");
    EXPECT_EQ(thread["state"], "WAIT");
    EXPECT_EQ(thread["owning_process_name"], "smss.exe");
    EXPECT_EQ(thread["attached_process_name"], "smss.exe");
    EXPECT_EQ(thread["win32_thread"], "0x0000000000000000");
    EXPECT_EQ(thread["win32_start"], "");
    EXPECT_TRUE(json["processes"][1]["base_priority"].is_null()); // these symbols do not have it
    // The processor says what runs, whatever the record does.
    const auto running = nlohmann::json::parse(run("!thread --json"))["thread"];
    EXPECT_EQ(running["processor"], 0);
    EXPECT_EQ(running["state"], "RUNNING");
}

TEST_F(ProcessesAndThreads, AThreadIsLookedAtUntilTheTargetGoesOn) {
    const std::string before = run("r");
    EXPECT_EQ(run(".thread ffffe000`00011000"), "Implicit thread is now ffffe000`00011000\n");
    EXPECT_THAT(run("r"), AllOf(HasSubstr("Last set context:\n"), HasSubstr("rip=fffff80400000510"),
                                HasSubstr("rsp=fffff88000014040")));
    EXPECT_THAT(run("k 1"), AllOf(HasSubstr("  *** Stack trace for last set context - .thread/.cxr resets it\n"),
                                  HasSubstr("nt!Worker+0x10\n")));
    EXPECT_EQ(run("? @$thread"), "Evaluate expression: -35184372019200 = ffffe000`00011000\n");
    EXPECT_EQ(run("? @$ip - nt!Worker"), "Evaluate expression: 16 = 00000000`00000010\n");
    EXPECT_THAT(run("0r"), Not(HasSubstr("Last set"))); // the processor's own
    EXPECT_EQ(run("0r $thread"), "$thread=ffffe00000012000\n");
    EXPECT_THAT(run("r rax=1"), HasSubstr("not the processor's registers"));
    EXPECT_TRUE(failed);
    EXPECT_EQ(run(".thread"), "Implicit thread is now ffffe000`00012000\n");
    EXPECT_EQ(run("r"), before);

    run(".thread ffffe000`00011000");
    target->on_resume(
        [](testing::FakeTarget& fake, const target::Resume&) { return stop(fake, at(0x500), std::byte{0x90}); });
    run("g");
    EXPECT_THAT(run("r"), AllOf(Not(HasSubstr("Last set")), HasSubstr("rip=fffff80400000500")));
}

TEST_F(ProcessesAndThreads, StepsAreTheProcessors) {
    run(".thread ffffe000`00011000");
    RegisterFile resumed;
    target->on_resume([&](testing::FakeTarget& fake, const target::Resume&) {
        resumed = fake.edit_registers();
        return stop(fake, at(0x520), std::byte{0x90});
    });
    run("g =nt!Worker");
    ASSERT_TRUE(resumed.valid());
    EXPECT_EQ(resumed.ip(), at(0x500));
    EXPECT_NE(resumed.sp(), stack + 0x40);
}

TEST_F(ProcessesAndThreads, OptionsThatAreNotThereAreRefused) {
    EXPECT_THAT(run("!thread -t 104"), HasSubstr("Threads are shown by address; !process 0 4 lists them"));
    EXPECT_TRUE(failed);
    EXPECT_THAT(run("!thread -p -t 104"), HasSubstr("Threads are shown by address"));
    EXPECT_THAT(run("!thread -p ffffe000`00011000"), HasSubstr("THREAD ffffe00000011000"));
    for (const char* command : {".thread /w ffffe000`00011000", ".thread /p /w ffffe000`00011000", ".cxr /w 1000"}) {
        EXPECT_THAT(run(command), HasSubstr("32-bit contexts of 64-bit systems are not supported")) << command;
        EXPECT_TRUE(failed);
    }
    EXPECT_THAT(run(".cxr /f 4d0 1000"), HasSubstr("Records of another size (/f) are not supported"));
    EXPECT_TRUE(failed);
}

TEST_F(ProcessesAndThreads, WhatIsNoThreadIsRefused) {
    const std::string before = run("r");
    EXPECT_THAT(run(".thread ffffe000`00010000"), HasSubstr("ffffe000`00010000 is not a thread object"));
    EXPECT_TRUE(failed);
    EXPECT_THAT(run(".thread ffffe000`77770000"), HasSubstr("cannot be read"));
    EXPECT_EQ(run("r"), before);
}

TEST_F(ProcessesAndThreads, ProcessChoosesWhoseMemoryUserAddressesAre) {
    EXPECT_THAT(run("da 400000 L4"), HasSubstr("\"idle\""));
    EXPECT_EQ(run(".process ffffe000`00020000"), "Implicit process is now ffffe000`00020000\n");
    EXPECT_THAT(run("da 400000 L4"), HasSubstr("\"smss\""));
    EXPECT_THAT(run("da 401000 L4"), HasSubstr("\"left\"")); // in transition
    EXPECT_THAT(run("db 402000 L1"), HasSubstr("??"));
    EXPECT_EQ(run("? poi(400000) & ff"), "Evaluate expression: 115 = 00000000`00000073\n");
    EXPECT_THAT(run("db nt!DbgBreakPoint L1"), HasSubstr("cc")); // the system's is everybody's
    EXPECT_EQ(run("? @$proc - ffffe000`00020000"), "Evaluate expression: 0 = 00000000`00000000\n");
    EXPECT_THAT(run("!vtop 0 400000"), HasSubstr("translates to physical address b000."));
    EXPECT_THAT(run("eb 400000 0"), HasSubstr("00000000`00400000 is an address of the process that .process chose"));
    EXPECT_THAT(run("f 400000 L1 0"), HasSubstr("a write would go to the process that runs"));
    EXPECT_THAT(run("bp 400000"), HasSubstr("a write would go to the process that runs"));
    EXPECT_TRUE(target->writes().empty());
    EXPECT_EQ(run(".process"), "Implicit process is now ffffe000`00010000\n");
    EXPECT_THAT(run("da 400000 L4"), HasSubstr("\"idle\""));
    EXPECT_EQ(run(".thread /p ffffe000`00011000"), "Implicit thread is now ffffe000`00011000\n");
    EXPECT_THAT(run("da 400000 L4"), HasSubstr("\"smss\""));
    EXPECT_EQ(run(".process"), "Implicit process is now ffffe000`00010000\n")
        << "whose memory is read, not the thread's";
    EXPECT_THAT(run("da 400000 L4"), HasSubstr("\"idle\""));
    run(".thread; .process");
    EXPECT_THAT(run("da 400000 L4"), HasSubstr("\"idle\""));
    EXPECT_EQ(run(".thread /r /P ffffe000`00011000"), "Implicit thread is now ffffe000`00011000\n");
    EXPECT_THAT(run("da 400000 L4"), HasSubstr("\"smss\""));
    EXPECT_THAT(run(".process /i ffffe000`00020000"), HasSubstr("not supported"));
}

TEST_F(ProcessesAndThreads, TrapFramesAndContextRecords) {
    const VirtAddr frame{0xfffff88000020000};
    memory().map(frame, 0x1000);
    memory().put_value(frame + 0x168, at(0x520).value);
    EXPECT_THAT(run(".trap fffff880`00020000"),
                AllOf(HasSubstr("NOTE: The trap frame does not contain all registers.\n"),
                      HasSubstr("rip=fffff80400000520"), HasSubstr("nt!Worker+0x20")));
    EXPECT_THAT(run("k 1"), HasSubstr("nt!Worker+0x20\n"));
    EXPECT_EQ(nlohmann::json::parse(run(".trap fffff880`00020000 --json"))["partial"], true);
    EXPECT_EQ(run(".trap"), "Resetting default scope\n");
    EXPECT_THAT(run("k 1"), HasSubstr("nt!DbgBreakPoint\n"));
    EXPECT_THAT(run(".cxr fffff880`00020000"), HasSubstr("is not a CONTEXT record of x64"));
    EXPECT_TRUE(failed);
    memory().put_value(frame + 0x30, std::uint32_t{0x10001f});
    memory().put_value(frame + 0xf8, at(0x530).value);
    EXPECT_THAT(run(".cxr fffff880`00020000"), HasSubstr("nt!Worker+0x30"));
    const auto record = nlohmann::json::parse(run(".cxr fffff880`00020000 --json"));
    EXPECT_EQ(record["symbol"], "nt!Worker+0x30");
    EXPECT_EQ(record["partial"], false);
    EXPECT_EQ(run(".cxr"), "Resetting default scope\n");
}

} // namespace
} // namespace poolkd
