#include "nt/processes.h"
#include "nt/record.h"
#include "nt/thread_registers.h"
#include "support/fake_processes.h"

#include <gmock/gmock.h>

namespace poolkd::nt::processes_test {
namespace {

using poolkd::testing::FakeProcesses;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr VirtAddr base{0xfffff80400000000}, system{0xffffe00000010000}, smss{0xffffe00000020000},
    csrss{0xffffe00000030000};
constexpr VirtAddr thread{0xffffe00000011000}, stack{0xfffff88000014000};

class Processes : public ::testing::Test {
  protected:
    Processes() {
        target.edit_identity().kernel_base = base;
        memory().map(base, 0x4000);
        kernel.reload(); // of a target that is at the kernel's base only now
        processes.add_process(system, 4, "System");
        processes.add_process(smss, 0x100, "smss.exe", 0x7000);
        processes.add_process(csrss, 0x104, "csrss.exe");
        processes.add_thread(thread, system, 8, stack, base + 0x1234);
    }
    poolkd::testing::FakeMemory& memory() { return target.virtual_memory(); }
    Answer<std::vector<Process>> list() {
        auto listed = list_processes(kernel, work);
        EXPECT_TRUE(listed) << listed.error().message;
        return listed ? std::move(*listed) : Answer<std::vector<Process>>{};
    }
    static std::vector<std::string> names(const Answer<std::vector<Process>>& listed) {
        std::vector<std::string> names;
        for (const Process& process : listed.value)
            names.push_back(process.name);
        return names;
    }

    poolkd::testing::FakeTarget target;
    std::shared_ptr<poolkd::testing::FakeSymbols> symbols = std::make_shared<poolkd::testing::FakeSymbols>();
    FakeProcesses processes{target.virtual_memory(), *symbols, base};
    Kernel kernel{target, [this](Module& module) {
                      module.symbols = symbols;
                      module.symbol_state = SymbolState::loaded;
                  }};
    Work work;
};

TEST_F(Processes, AllWithWhatTheirRecordsTell) {
    memory().put_value(smss + FakeProcesses::parent_id, std::uint64_t{4});
    memory().put_value(smss + FakeProcesses::session, std::uint32_t{2});
    const auto listed = list();
    EXPECT_TRUE(listed.coverage.complete());
    EXPECT_THAT(names(listed), ElementsAre("System", "smss.exe", "csrss.exe"));
    const Process& process = listed.value.at(1);
    EXPECT_EQ(process.address, smss);
    EXPECT_EQ(process.id, 0x100u);
    EXPECT_EQ(process.parent_id, 4u);
    EXPECT_EQ(process.directory_base, 0x7000u);
    EXPECT_EQ(process.session, 2u);
    EXPECT_EQ(process.handles, 0u); // there is no table
    EXPECT_FALSE(process.peb);      // these symbols do not have it
}

TEST_F(Processes, BehindABreakTheListIsTakenFromItsEnd) {
    memory().unmap(smss);
    const auto listed = list();
    EXPECT_THAT(names(listed), ElementsAre("System", "csrss.exe"));
    EXPECT_FALSE(listed.coverage.complete());
}

TEST_F(Processes, ALoopAndAnAddressThatIsNoneAreTold) {
    processes.set_next_process(smss, system + FakeProcesses::process_links);
    auto listed = list();
    EXPECT_THAT(names(listed), ElementsAre("System", "smss.exe", "csrss.exe"));
    EXPECT_THAT(listed.coverage.sentence(), HasSubstr("malformed"));
    processes.set_next_process(smss, VirtAddr(0x41414141));
    listed = list();
    EXPECT_EQ(listed.value.size(), 3u);
    EXPECT_FALSE(listed.coverage.complete());
}

TEST_F(Processes, WhatIsNoProcessIsAGap) {
    memory().put(csrss, {5});
    const auto listed = list();
    EXPECT_THAT(names(listed), ElementsAre("System", "smss.exe"));
    EXPECT_FALSE(listed.coverage.complete());
    const auto read = read_process(kernel, csrss);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().message, "ffffe000`00030000 is not a process object");
}

TEST_F(Processes, AStopEndsTheList) {
    work.request_stop();
    EXPECT_TRUE(list().coverage.stopped());
}

TEST_F(Processes, NamesMayBeGarbage) {
    memory().put(csrss + FakeProcesses::image_name,
                 {0x1b, '[', '2', 'J', 0xff, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'});
    EXPECT_EQ(list().value.back().name, "?[2J?abcdefghij");
}

TEST_F(Processes, MembersOfAbsurdSizeOrPlaceAreRefused) {
    using poolkd::testing::number;
    for (const auto& [offset, bytes] :
         {std::pair{0x80u, ~std::uint64_t{0} - 0x7f}, {0x80u, std::uint64_t{0x4001}}, {~0u, std::uint64_t{8}}}) {
        symbols->add(
            {"_DAMAGED", 0x100, false, {{"Member", offset, 0, 0, number(bytes)}, {"Other", 8, 0, 0, number(8)}}});
        kernel.reload();
        const auto record = Record::read(kernel, "_DAMAGED", smss, {"Member", "Other"});
        ASSERT_FALSE(record) << offset;
        EXPECT_EQ(record.error().kind, ErrorKind::malformed);
    }
}

TEST_F(Processes, ThreadsWithTheirWaits) {
    const auto listed = list_threads(kernel, system, {}, work);
    ASSERT_TRUE(listed);
    ASSERT_EQ(listed->value.size(), 1u);
    const Thread& one = listed->value.front();
    EXPECT_EQ(one.address, thread);
    EXPECT_EQ(one.process_id, 4u);
    EXPECT_EQ(one.id, 8u);
    EXPECT_EQ(one.state, ThreadState::waiting);
    EXPECT_EQ(wait_reason_name(one.wait_reason), "DelayExecution");
    EXPECT_EQ(one.owner, system);
    EXPECT_EQ(one.attached, system);
    EXPECT_FALSE(one.processor);
    EXPECT_EQ(wait_reason_name(200), "reason 200");
}

TEST_F(Processes, AThreadGoesOnWithWhatTheSwitchSaved) {
    const auto one = read_thread(kernel, thread, {});
    ASSERT_TRUE(one);
    const auto registers = thread_registers(kernel, *one);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->ip(), base + 0x1234);
    EXPECT_EQ(registers->sp(), stack + 0x40);
    EXPECT_EQ(registers->get("rbp"), 0x77u);
}

TEST_F(Processes, AThreadThatRunsHasTheRegistersOfItsProcessor) {
    target.edit_registers().set("rip", 0x99);
    const auto one = read_thread(kernel, thread, {thread});
    ASSERT_TRUE(one);
    EXPECT_EQ(one->processor, 0u);
    const auto registers = thread_registers(kernel, *one);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("rip"), 0x99u);
}

TEST_F(Processes, AStackThatIsNotThereIsSaid) {
    auto one = read_thread(kernel, thread, {});
    ASSERT_TRUE(one);
    one->kernel_stack = VirtAddr(0xfffff88000999000);
    auto registers = thread_registers(kernel, *one);
    ASSERT_FALSE(registers);
    EXPECT_EQ(registers.error().kind, ErrorKind::unreadable);
    one->stack_resident = false;
    registers = thread_registers(kernel, *one);
    ASSERT_FALSE(registers);
    EXPECT_THAT(registers.error().message, HasSubstr("is not resident"));
}

TEST_F(Processes, TrapFramesAndContextRecords) {
    const VirtAddr frame{0xfffff88000020000};
    memory().map(frame, 0x190);
    memory().put_value(frame + 0x30, std::uint64_t{1});  // rax
    memory().put_value(frame + 0x168, std::uint64_t{2}); // rip
    memory().put_value(frame + 0x180, std::uint64_t{3}); // rsp
    auto registers = trap_frame_registers(kernel, frame);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("rax"), 1u);
    EXPECT_EQ(registers->get("rip"), 2u);
    EXPECT_EQ(registers->get("rsp"), 3u);

    const auto none = context_record_registers(kernel, frame);
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, HasSubstr("is not a CONTEXT record of x64: its ContextFlags are 00000001"));
    ByteVector record(x64_machine().context_size);
    store<std::uint32_t>(MutableBytes(record), 0x30, 0x10000f);
    RegisterFile file(x64_machine(), record);
    file.set("rip", 0x1234);
    memory().put(frame, file.bytes());
    registers = context_record_registers(kernel, frame);
    ASSERT_TRUE(registers);
    EXPECT_EQ(registers->get("rip"), 0x1234u);
}

} // namespace
} // namespace poolkd::nt::processes_test
