#include "control_machine.h"

namespace poolkd::control {
namespace {

constexpr std::uint32_t access_violation = 0xc0000005, odd_exception = 0xc0000123;

constexpr VirtAddr module_base(0xfffff80000100000);

void then_module(Machine& m, const char* path, bool loaded = true) {
    m.fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
        target::Stop stop = stop_at(self, code + 0x10, 0, std::byte{0xcc});
        stop.reason = target::ModuleChange{.loaded = loaded, .path = path, .base = module_base, .size = 0x1000};
        return stop;
    });
}

void then_exception(Machine& m, std::uint32_t exception, bool first_chance) {
    m.fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
        target::Stop stop = stop_at(self, code + 0x10, exception, std::byte{0x90});
        std::get<target::ExceptionStop>(stop.reason).first_chance = first_chance;
        return stop;
    });
}

TEST(EventFilters, TheModuleThatIsWaitedForStopsAndOthersDoNot) {
    Machine m;
    EventFilter& load = *m.controller.filters().find("ld");
    load.reaction = Reaction::stop;
    load.pattern = "zeta.sys";
    load.command = "bu zeta!Foo";
    then_module(m, "\\drivers\\other.sys");
    then_module(m, "\\drivers\\ZETA.SYS", false);
    then_module(m, "\\drivers\\ZETA.SYS");
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::module_load);
    EXPECT_EQ(report->command, "bu zeta!Foo");
    EXPECT_EQ(m.resumes().size(), 3u);
    // The target skips its own int 3 there.
    EXPECT_EQ(m.fake.target.edit_registers().ip(), code + 0x10);
}

TEST(EventFilters, AModuleFitsWithAndWithoutItsExtension) {
    EventFilter filter;
    filter.pattern = "zet*";
    EXPECT_TRUE(filter.fits("\\SystemRoot\\drivers\\Zeta.sys"));
    filter.pattern = "zeta";
    EXPECT_TRUE(filter.fits("zeta.sys"));
    EXPECT_FALSE(filter.fits("zeta2.sys"));
    EXPECT_FALSE(filter.fits(""));
}

TEST(EventFilters, OnlyTheModuleOfThePatternIsTold) {
    Machine m;
    std::vector<std::string> told;
    m.controller.on_event(
        [&](const target::Stop& stop) { told.push_back(std::get<target::ModuleChange>(stop.reason).path); });
    EventFilter& load = *m.controller.filters().find("ld");
    load.reaction = Reaction::tell;
    load.pattern = "zeta";
    then_module(m, "other.sys");
    then_module(m, "zeta.sys");
    m.then_own_int3(code + 0x38);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_EQ(told, std::vector<std::string>{"zeta.sys"});
}

TEST(EventFilters, AModuleEventHasNoSecondChanceAndIsOnlyTold) {
    Machine m;
    int told = 0;
    m.controller.on_event([&](const target::Stop&) { ++told; });
    m.controller.filters().find("ld")->reaction = Reaction::second_chance;
    then_module(m, "zeta.sys");
    m.then_own_int3(code + 0x38);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::hard_breakpoint);
    EXPECT_EQ(told, 1);
}

TEST(EventFilters, AnExceptionOfTheSecondChanceStopsAndOneOfTheFirstGoesToItsHandler) {
    Machine m;
    then_exception(m, odd_exception, true);
    then_exception(m, odd_exception, false);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::exception);
    ASSERT_EQ(m.resumes().size(), 2u);
    EXPECT_FALSE(m.resumes()[1].handled);
}

TEST(EventFilters, GoAfterAFirstChanceGoesOnAsTheFilterSays) {
    for (bool handled : {false, true}) {
        Machine m;
        m.controller.filters().find("av")->handled = handled;
        then_exception(m, access_violation, true);
        ASSERT_TRUE(m.controller.go_and_wait(m.work));
        then_exception(m, access_violation, false);
        ASSERT_TRUE(m.controller.go_and_wait(m.work));
        EXPECT_EQ(m.resumes().back().handled, handled);
        m.then_own_int3(code + 0x20);
        ASSERT_TRUE(m.controller.go_and_wait(m.work, false)); // `gn`
        EXPECT_FALSE(m.resumes().back().handled);
    }
}

TEST(EventFilters, ToldAndIgnoredEventsPassBy) {
    Machine m;
    int told = 0;
    m.controller.on_event([&](const target::Stop&) { ++told; });
    m.controller.filters().find("av")->reaction = Reaction::tell;
    m.controller.filters().find("bpe")->reaction = Reaction::ignore;
    then_exception(m, access_violation, true);
    m.then_own_int3(code + 0x20);
    m.fake.target.on_resume([](FakeTarget& self, const target::Resume& how) {
        EXPECT_TRUE(how.handled);
        EXPECT_EQ(self.edit_registers().ip(), code + 0x21);
        return stop_at(self, code + 0x30, 0xc0000094, std::byte{0x90});
    });
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::exception);
    EXPECT_EQ(told, 1);
}

TEST(EventFilters, ABreakInStopsWhateverTheFilterSays) {
    Machine m;
    m.controller.filters().find("bpe")->reaction = Reaction::ignore;
    m.controller.filters().find("bpe")->command = "gc";
    ASSERT_TRUE(m.controller.go());
    m.fake.target.on_break_in([](FakeTarget& self, const target::Resume&) {
        return stop_at(self, code + 0x38, status_breakpoint, std::byte{0xcc});
    });
    auto report = m.controller.stop(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->requested);
    EXPECT_EQ(report->command, "") << "the commands of the event would let it go on";
}

TEST(EventFilters, RowsOfCodesComeBeforeTheRestAndGoWithAReset) {
    EventFilters filters;
    const std::size_t before = filters.all().size();
    filters.row_of(odd_exception).reaction = Reaction::ignore;
    EXPECT_EQ(filters.for_exception(odd_exception).reaction, Reaction::ignore);
    EXPECT_EQ(filters.all().back().name, "*");
    EXPECT_EQ(filters.all().size(), before + 1);
    filters.reset();
    EXPECT_EQ(filters.all().size(), before);
    EXPECT_EQ(filters.for_exception(odd_exception).name, "*");
}

TEST(Breakpoints, ThreadsProcessesAndConditionsLetOthersPass) {
    Machine m(2);
    Breakpoint breakpoint;
    breakpoint.address = code + 0x20;
    breakpoint.thread = thread_on(1);
    breakpoint.condition = "x";
    ASSERT_TRUE(m.controller.breakpoints().add(breakpoint, std::nullopt));
    int asked = 0;
    m.controller.set_condition([&](const std::string& text) -> Result<bool> {
        EXPECT_EQ(text, "x");
        return ++asked == 2;
    });
    m.then_hit(code + 0x20, 0); // another thread
    m.then_trap(code + 0x21, traced, 0);
    m.then_hit(code + 0x20, 1); // not yet
    m.then_trap(code + 0x21, traced, 1);
    m.then_hit(code + 0x20, 1);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(m.resumes().size(), 5u);
}

TEST(Breakpoints, AConditionThatCannotBeEvaluatedStopsAndSaysSo) {
    Machine m;
    Breakpoint breakpoint;
    breakpoint.address = code + 0x20;
    breakpoint.condition = "poi(0)";
    ASSERT_TRUE(m.controller.breakpoints().add(breakpoint, std::nullopt));
    m.controller.set_condition(
        [](const std::string&) -> Result<bool> { return fail(ErrorKind::unreadable, "Memory access error"); });
    m.then_hit(code + 0x20);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_NE(report->note.find("Memory access error"), std::string::npos);
}

Result<VirtAddr> found(bool loaded) {
    if (loaded) return code + 0x20;
    return fail(ErrorKind::not_found, "Couldn't resolve error at 'zeta!Foo'");
}

/// As `bu zeta!Foo` makes it.
Breakpoint on_name() {
    Breakpoint breakpoint;
    breakpoint.address = code + 0x20;
    breakpoint.expression = "zeta!Foo";
    breakpoint.keeps_expression = true;
    return breakpoint;
}

TEST(Breakpoints, ANameIsUnresolvedOnceItsModuleIsGone) {
    Machine m;
    bool loaded = true;
    m.controller.set_resolver([&](const std::string&) { return found(loaded); });
    ASSERT_TRUE(m.controller.breakpoints().add(on_name(), std::nullopt));
    loaded = false;
    then_module(m, "zeta.sys", false);
    m.then_own_int3(code + 0x38);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_FALSE(m.controller.breakpoints().all()[0].address);
    loaded = true;
    then_module(m, "zeta.sys");
    m.then_hit(code + 0x20);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::breakpoint);
}

/// The kernel's list of modules, with the one that then_module tells of or without it.
struct LoaderList {
    explicit LoaderList(Machine& machine) : memory(machine.fake.target.virtual_memory()) {
        memory.map(head, 0x1000);
        memory.put_value(entry + 0x30, module_base.value); // DllBase
        memory.put_value<std::uint32_t>(entry + 0x40, 0x1000);
        machine.fake.target.edit_identity().loaded_module_list = head;
        hold(true);
    }
    void hold(bool module) {
        memory.put_value(head, (module ? entry : head).value);
        memory.put_value(entry, head.value);
    }
    static constexpr VirtAddr head{0xfffff80000200000}, entry{0xfffff80000200100};
    testing::FakeMemory& memory;
};

TEST(Breakpoints, AModuleThatLeavesIsGoneOnceTheKernelsListIsWithoutIt) {
    Machine m;
    LoaderList list(m);
    bool loaded = true;
    m.controller.set_resolver([&](const std::string&) { return found(loaded); });
    ASSERT_TRUE(m.controller.breakpoints().add(on_name(), std::nullopt));
    m.controller.filters().find("ud")->reaction = Reaction::stop;
    auto& modules = m.fake.kernel->modules();
    then_module(m, "zeta.sys", false);
    auto report = m.controller.go_and_wait(m.work);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kind, StopKind::module_unload);
    // A break-in can come between the event and the change of the list.
    m.then_own_int3(code + 0x38);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_TRUE(m.controller.breakpoints().all()[0].address) << "it is still there";
    EXPECT_EQ(modules.loaded().size(), 2u);
    loaded = false;
    list.hold(false);
    m.then_own_int3(code + 0x38);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_FALSE(m.controller.breakpoints().all()[0].address);
    EXPECT_EQ(modules.loaded().size(), 1u);
    // From there on the list is not read at each stop.
    list.hold(true);
    m.then_own_int3(code + 0x38);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_EQ(modules.loaded().size(), 1u);
}

TEST(Breakpoints, ANameThatCouldNotBeAskedForKeepsItsAddressAndIsAskedForAgain) {
    Machine m;
    ErrorKind why = ErrorKind::stopped;
    unsigned asked = 0;
    m.controller.set_resolver([&](const std::string&) -> Result<VirtAddr> {
        ++asked;
        return fail(why, "no answer");
    });
    ASSERT_TRUE(m.controller.breakpoints().add(on_name(), std::nullopt));
    then_module(m, "other.sys");
    m.then_own_int3(code + 0x38);
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_TRUE(m.controller.breakpoints().all()[0].address);
    const unsigned before = asked;
    why = ErrorKind::not_found;
    m.then_own_int3(code + 0x38); // no module came or went since
    ASSERT_TRUE(m.controller.go_and_wait(m.work));
    EXPECT_EQ(asked, before + 1);
    EXPECT_FALSE(m.controller.breakpoints().all()[0].address);
}

TEST(Breakpoints, ThoseThatTakeNoPlaceInTheTargetsTableAreNotCounted) {
    Machine m;
    for (std::size_t i = 0; i < Breakpoints::limit; ++i)
        m.add_breakpoint(code + i);
    m.add_watch(WatchKind::write, 8, VirtAddr(FakePoolKernel::base + 0x100));
    Breakpoint further;
    further.address = code + Breakpoints::limit;
    auto added = m.controller.breakpoints().add(further, std::nullopt);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().kind, ErrorKind::refused);
    ASSERT_TRUE(m.controller.breakpoints().enable(3, false));
    EXPECT_TRUE(m.controller.breakpoints().add(further, std::nullopt));
    auto enabled = m.controller.breakpoints().enable(3, true);
    ASSERT_FALSE(enabled);
    EXPECT_EQ(enabled.error().kind, ErrorKind::refused);
    // A temporary one at the place of another needs none of its own.
    Breakpoint temporary;
    temporary.address = code + 5;
    temporary.internal = true;
    EXPECT_TRUE(m.controller.breakpoints().add(temporary, std::nullopt));
}

TEST(Breakpoints, NumbersCanBeChanged) {
    Machine m;
    m.add_breakpoint(code + 0x20);
    m.add_breakpoint(code + 0x28);
    EXPECT_FALSE(m.controller.breakpoints().renumber(0, 1));
    EXPECT_FALSE(m.controller.breakpoints().renumber(7, 8));
    EXPECT_FALSE(m.controller.breakpoints().renumber(0, 0x10000));
    ASSERT_TRUE(m.controller.breakpoints().renumber(0, 5));
    EXPECT_EQ(m.controller.breakpoints().all().back().id, 5u);
}

} // namespace
} // namespace poolkd::control
