#include "dumps/triage.h"
#include "nt/kdbg.h"
#include "nt/modules.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::nt::modules_test {
namespace {

using poolkd::testing::FakeSymbols;
using poolkd::testing::FakeTarget;
using poolkd::testing::number;

constexpr VirtAddr base{0xfffff80000000000}, driver{0xfffff80001000000}, list{0xfffff80000003000},
    entry{0xffffe00000000000};
constexpr std::uint32_t stamp = 0x5f000001;

/// One driver on the list, by the record of the given name; its header tells the time stamp, the record something else.
struct ModuleList {
    explicit ModuleList(std::string record) {
        target.edit_identity().kernel_base = base;
        target.edit_identity().loaded_module_list = list;
        symbols->add({std::move(record),
                      0x40,
                      false,
                      {{"DllBase", 0x18, 0, 0, number(8)},
                       {"TimeDateStamp", 0x38, 0, 0, number(4)},
                       {"SizeOfImage", 0x3c, 0, 0, number(4)},
                       {"InLoadOrderLinks", 0x00, 0, 0, number(8)},
                       {"FullDllName", 0x20, 0, 0, number(8)},
                       {"BaseDllName", 0x28, 0, 0, number(8)}}});
        auto& memory = target.virtual_memory();
        memory.map(base, 0x4000);
        memory.map(entry, 0x1000);
        memory.put_value(list, entry.value);
        memory.put_value(entry, list.value);
        memory.put_value(entry + 0x18, driver.value);
        memory.put_value(entry + 0x38, 0xfffffffeu);
        memory.put_value(entry + 0x3c, 0x8000u);
        memory.map(driver, 0x1000);
        memory.put_value(driver + 0x3c, 0x80u);
        memory.put(driver + 0x80, "PE");
        memory.put_value(driver + 0x88, stamp);
        modules.refresh();
    }
    Module& the_driver() { return *modules.containing(driver); }

    FakeTarget target;
    std::shared_ptr<FakeSymbols> symbols = std::make_shared<FakeSymbols>();
    Modules modules{target, [this](Module& module) {
                        if (!module.is_kernel) return;
                        module.symbols = symbols;
                        module.symbol_state = SymbolState::loaded;
                    }};
};

TEST(Modules, TheKernelsRecordTellsTheTimeStamp) {
    ModuleList fake("_KLDR_DATA_TABLE_ENTRY");
    EXPECT_EQ(fake.the_driver().timestamp, 0xfffffffeu);
}

TEST(Modules, TheUserModeTwinHasSomethingElseThere) {
    ModuleList fake("_LDR_DATA_TABLE_ENTRY");
    EXPECT_EQ(fake.the_driver().timestamp, 0u);
    fake.modules.identify(fake.the_driver());
    EXPECT_EQ(fake.the_driver().timestamp, stamp);
}

TEST(Modules, ARefreshKeepsWhatTheHeaderTold) {
    ModuleList fake("_LDR_DATA_TABLE_ENTRY");
    fake.modules.symbols(fake.the_driver());
    const Module* before = &fake.the_driver();
    fake.modules.refresh();
    EXPECT_EQ(&fake.the_driver(), before) << "the same module, with the symbols that it had";
    EXPECT_EQ(fake.the_driver().timestamp, stamp);
}

TEST(Modules, TheListIsFoundBySymbolsWhereTheTargetStatesNone) {
    ModuleList fake("_KLDR_DATA_TABLE_ENTRY");
    fake.target.edit_identity().loaded_module_list = {};
    fake.symbols->add("PsLoadedModuleList", 0x3000);
    fake.modules.refresh();
    EXPECT_EQ(fake.modules.list_head(), list);
    EXPECT_EQ(fake.modules.loaded().size(), 2u);
}

TEST(Modules, OfASmallDumpAreThoseOfItsRecords) {
    FakeTarget target;
    target.edit_identity().kernel_base = base;
    dumps::TriageRecords records;
    records.drivers = {{.name = "ntoskrnl.exe", .base = base, .entry_point = {}, .size = 0xa00000, .timestamp = stamp},
                       {.name = "leaky.sys", .base = driver, .entry_point = {}, .size = 0x8000, .timestamp = stamp + 1},
                       {}};
    records.unloaded = {{"gone.sys", driver + 0x10000, driver + 0x20000}, {"odd.sys", driver, driver}};
    target.set_driver_records(&records);
    Modules modules(target, {});
    for (int round = 0; round < 2; ++round) {
        const auto answer = modules.refresh();
        EXPECT_TRUE(answer.coverage.complete());
        ASSERT_EQ(answer.value, 2u);
        EXPECT_EQ(modules.kernel().name, "nt");
        EXPECT_EQ(modules.kernel().size, 0xa00000u);
        EXPECT_EQ(modules.kernel().timestamp, stamp);
        EXPECT_EQ(modules.find("leaky")->base, driver);
        EXPECT_EQ(modules.find("leaky")->timestamp, stamp + 1);
        EXPECT_EQ(modules.at(driver + 0x12).text(), "leaky+0x12");
        ASSERT_EQ(modules.unloaded().size(), 1u);
        EXPECT_EQ(modules.unloaded().front().name, "gone.sys");
    }
}

/// A ring of unloaded drivers over two pages, of which slot 0 lies in the first.
struct UnloadedRing : ModuleList {
    static constexpr VirtAddr ring{0xffffe00000010f00};
    UnloadedRing() : ModuleList("_KLDR_DATA_TABLE_ENTRY") {
        auto& memory = target.virtual_memory();
        memory.map(ring, 50 * 0x28);
        memory.put_value(base + 0x2000, ring.value);
    }
    void unload(std::uint64_t slot, std::string_view utf16, std::uint64_t time) {
        auto& memory = target.virtual_memory();
        const VirtAddr at = ring + slot * 0x28, text = entry + 0x200 + slot * 0x20;
        memory.put_value(at, static_cast<std::uint16_t>(utf16.size()));
        memory.put_value(at + 8, text.value);
        memory.put_value(at + 0x10, (driver + 0x100000).value); // all at the same place
        memory.put_value(at + 0x18, (driver + 0x110000).value);
        memory.put_value(at + 0x20, time);
        memory.put(text, utf16);
    }
    void next_slot(std::uint32_t slot) { target.virtual_memory().put_value(base + 0x2008, slot); }
    std::string at_the_place() {
        modules.refresh();
        return modules.at(driver + 0x100010).text();
    }
};

TEST(Modules, OfUnloadedDriversAtOnePlaceTheNewestCounts) {
    UnloadedRing fake;
    fake.symbols->add("MmUnloadedDrivers", 0x2000);
    fake.symbols->add("MmLastUnloadedDriver", 0x2008);
    fake.unload(0, std::string_view("a\0", 2), 1);
    fake.unload(1, std::string_view("b\0", 2), 2);
    fake.unload(49, std::string_view("z\0", 2), 0);
    fake.next_slot(2);
    EXPECT_EQ(fake.at_the_place(), "<Unloaded_b>+0x10");
    ASSERT_EQ(fake.modules.unloaded().size(), 3u);
    EXPECT_EQ(fake.modules.unloaded()[2].name, "z");
    fake.next_slot(1); // the ring has come round: slot 1 is the oldest
    EXPECT_EQ(fake.at_the_place(), "<Unloaded_a>+0x10");
    fake.next_slot(0);
    EXPECT_EQ(fake.at_the_place(), "<Unloaded_z>+0x10");
    fake.next_slot(2);
    fake.target.virtual_memory().unmap(UnloadedRing::ring); // slots 0 to 5
    EXPECT_EQ(fake.at_the_place(), "<Unloaded_z>+0x10") << "the rest of the ring is still there";
    EXPECT_FALSE(fake.modules.unloaded_coverage().complete());
}

TEST(Modules, UnloadedDriversAreFoundByTheDebuggerBlock) {
    UnloadedRing fake;
    auto& memory = fake.target.virtual_memory();
    memory.put_value(base + 0x1000 + Kdbg::tag_at, Kdbg::tag);
    memory.put_value(base + 0x1014, std::uint32_t{0x340});
    memory.put_value(base + 0x1000 + Kdbg::unloaded_drivers, (base + 0x2000).value);
    memory.put_value(base + 0x1000 + Kdbg::last_unloaded_driver, (base + 0x2008).value);
    fake.unload(0, std::string_view("a\0", 2), 1);
    fake.unload(1, std::string_view("b\0", 2), 2);
    fake.next_slot(1);
    EXPECT_EQ(fake.at_the_place(), "");
    fake.target.edit_identity().debugger_data = base + 0x1000;
    EXPECT_EQ(fake.at_the_place(), "<Unloaded_a>+0x10");
}

// The second entry leads back to the first, past the head of the list.
TEST(Modules, AListThatRunsInACircleEnds) {
    ModuleList fake("_KLDR_DATA_TABLE_ENTRY");
    auto& memory = fake.target.virtual_memory();
    const VirtAddr second = entry + 0x100;
    memory.put_value(entry, second.value);
    memory.put_value(second, entry.value);
    memory.put_value(second + 0x18, driver.value + 0x100000);
    memory.put_value(second + 0x3c, 0x8000u);
    for (int round = 0; round < 2; ++round) {
        const auto answer = fake.modules.refresh();
        EXPECT_EQ(answer.value, 3u) << "each once, and the kernel";
        EXPECT_FALSE(answer.coverage.complete());
    }
    memory.put_value(second, second.value); // its own follower
    EXPECT_EQ(fake.modules.refresh().value, 3u);
}

TEST(Modules, WhatLiesBehindABreakIsFoundFromTheEnd) {
    ModuleList fake("_KLDR_DATA_TABLE_ENTRY");
    auto& memory = fake.target.virtual_memory();
    const VirtAddr second = entry + 0x100, third = entry + 0x200;
    memory.put_value(entry, std::uint64_t{0x1234}); // no address of the system
    memory.put_value(list + 8, third.value);
    memory.put_value(third + 8, second.value);
    memory.put_value(second + 8, entry.value);
    for (const VirtAddr one : {second, third}) {
        memory.put_value(one + 0x18, driver.value + (one - entry) * 0x1000);
        memory.put_value(one + 0x3c, 0x8000u);
    }
    const auto answer = fake.modules.refresh();
    EXPECT_EQ(answer.value, 4u) << "three, and the kernel";
    EXPECT_FALSE(answer.coverage.complete());
}

TEST(Modules, ANameThatCannotBeReadCostsNoNameThatWasKnown) {
    ModuleList fake("_KLDR_DATA_TABLE_ENTRY");
    auto& memory = fake.target.virtual_memory();
    EXPECT_EQ(fake.the_driver().name, "imagef80001000000");
    memory.put_value(entry + 0x28, std::uint16_t{14});
    memory.put_value(entry + 0x30, entry.value + 0x100);
    memory.put(entry + 0x100, std::string_view("u\0f\0s\0.\0s\0y\0s\0", 14));
    fake.modules.refresh();
    EXPECT_EQ(fake.the_driver().image_name, "ufs.sys");
    EXPECT_EQ(fake.the_driver().name, "ufs");
    memory.put_value(entry + 0x30, std::uint64_t{0x10}); // not readable
    fake.modules.refresh();
    EXPECT_EQ(fake.the_driver().name, "ufs");
}

} // namespace
} // namespace poolkd::nt::modules_test
