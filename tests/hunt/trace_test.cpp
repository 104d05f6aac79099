#include "base/exception_codes.h"
#include "hunt/trace.h"
#include "pool/tracker_row.h"
#include "support/fake_pool.h"

#include <gmock/gmock.h>

#include <thread>

namespace poolkd::hunt {
namespace {

using namespace std::chrono_literals;
using testing::FakePoolKernel;
using testing::FakeTarget;
using ::testing::HasSubstr;

constexpr std::uint64_t base = FakePoolKernel::base;
constexpr VirtAddr allocator(base + 0x4000), releaser(base + 0x4100), interrupt(base + 0x4200),
    hit_tag(base + FakePoolKernel::var_hit);
constexpr VirtAddr stack_page(0xfffff88000010000), sp(0xfffff88000010800);
constexpr VirtAddr build(0xfffff88001001234), queue(0xfffff88001002234), retire(0xfffff88001003234);
constexpr std::uint64_t pages = FakePoolKernel::paged;
constexpr std::uint64_t frame_bytes = 0x28;

/// The headers and unwind tables of an image with three functions, which take 28h bytes of stack each.
ByteVector kernel_image() {
    constexpr std::uint32_t size = 0xa000, pe = 0x80, optional_header = 0x98, table = 0x8000, record = 0x6000;
    ByteVector image(size);
    store(image, 0, std::uint16_t{0x5a4d});
    store(image, 0x3c, pe);
    store(image, pe, std::uint32_t{0x4550});
    store(image, pe + 4, std::uint16_t{0x8664});
    store(image, optional_header, std::uint16_t{0x20b});
    store(image, pe + 0x50, size);
    store(image, optional_header + 108, std::uint32_t{16}); // directories; the exceptions' is the fourth
    store(image, optional_header + 112 + 24, table);
    store(image, optional_header + 112 + 28, std::uint32_t{36});
    for (std::uint32_t i = 0; i < 3; ++i) {
        store(image, table + 12 * i, 0x4000 + 0x100 * i);
        store(image, table + 12 * i + 4, 0x4100 + 0x100 * i);
        store(image, table + 12 * i + 8, record);
    }
    store(image, record, std::uint64_t{0x4204'0001'0401}); // version 1, a prolog of 4 bytes: sub rsp, 28h
    return image;
}

/// A kernel whose allocator keeps the block in rbx (or, of a free, in rdi) when it meets the tag, one level below the
/// driver, and the stops that a test prepares.
class Trace : public ::testing::Test {
  protected:
    Trace() : journal(*fake.kernel, {}), controller(*fake.kernel, journal) {
        const ByteVector bytes = kernel_image();
        auto& memory = fake.target.virtual_memory();
        memory.put(VirtAddr(base), Bytes(bytes).first(0x1000));
        memory.put(VirtAddr(base + 0x4000), Bytes(bytes).subspan(0x4000));
        memory.put(allocator, Bytes(ByteVector(0x300, std::byte{0x90})));
        memory.map(stack_page, 0x1000);
        memory.put_value<std::uint32_t>(hit_tag, user_value);
        fake.symbols->add("ExAllocatePoolWithTag", 0x4000, true);
        fake.symbols->add("ExFreePoolWithTag", 0x4100, true);
        fake.symbols->add("KiDispatchInterrupt", 0x4200, true);
        (void)fake.kernel->reload();
        fake.target.edit_stop() = stop_of(fake.target, allocator + 0x80, status_breakpoint);
        EXPECT_TRUE(controller.adopt_stop());
        fake.target.on_break_in([](FakeTarget& self, const target::Resume&) {
            return stop_of(self, VirtAddr(base + 0x500), status_breakpoint);
        });
        options.tag = *PoolTag::from_text("Leak");
    }

    static target::Stop stop_of(FakeTarget& fake, VirtAddr ip, std::uint32_t exception, std::uint16_t processor = 0,
                                std::byte first = std::byte{0xcc}) {
        fake.edit_registers(processor).set_ip(ip);
        target::Stop stop;
        stop.processor = processor;
        stop.processors = fake.identity().processors;
        stop.thread = testing::thread_on(processor);
        stop.ip = ip;
        stop.instruction_stream = ByteVector(16, first);
        stop.reason = target::ExceptionStop{.code = exception, .flags = 0, .address = ip, .parameters = {}};
        return stop;
    }
    static void set(FakeTarget& self, std::uint16_t processor, std::string_view name, std::uint64_t value) {
        self.edit_registers(processor).set(name, value);
    }
    void put_block(std::uint64_t body, std::uint32_t size = 0x60) {
        fake.put_header(body - 16, size, 0, options.tag.value, 3);
    }
    static void enter(FakeTarget& self, VirtAddr caller, std::uint16_t processor) {
        const VirtAddr at = sp + 0x200 * processor;
        set(self, processor, "rsp", at.value);
        self.virtual_memory().put_value(at + frame_bytes, caller.value);
    }
    /// The allocator has a block for `caller` and meets the tag. `then_return`: the next stop is its return.
    void then_allocation(std::uint64_t body, VirtAddr caller, bool then_return = true, std::uint16_t processor = 0) {
        fake.target.on_resume([=, this](FakeTarget& self, const target::Resume&) {
            put_block(body);
            enter(self, caller, processor);
            set(self, processor, "rbx", body);
            return stop_of(self, allocator + 0x40, status_breakpoint, processor);
        });
        if (then_return) then_returned(body, caller, processor);
    }
    void then_returned(std::uint64_t body, VirtAddr caller, std::uint16_t processor = 0) {
        fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
            EXPECT_TRUE(std::ranges::any_of(self.slots(), [&](auto& slot) { return slot.second == caller; }));
            set(self, processor, "rsp", (sp + 0x200 * processor + frame_bytes + 8).value);
            set(self, processor, "rax", body);
            return stop_of(self, caller, status_breakpoint, processor, std::byte{0x90});
        });
    }
    void then_release(std::uint64_t body, VirtAddr caller, std::uint64_t another = 0) {
        fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
            enter(self, caller, 0);
            set(self, 0, "rbx", another);
            set(self, 0, "rdi", body);
            return stop_of(self, releaser + 0x40, status_breakpoint);
        });
    }
    void then_exception(std::uint32_t code) {
        fake.target.on_resume([=](FakeTarget& self, const target::Resume&) { return stop_of(self, build, code); });
    }
    Result<TraceReport> trace(std::uint64_t stops) {
        options.stops = stops;
        return trace_tag(*fake.kernel, controller, options, work);
    }
    /// A driver with two call sites of the tag, and one of another.
    void know_sites() {
        module.module = "leaky";
        module.base = VirtAddr(0xfffff88001000000);
        code::PoolSite site;
        site.tag = options.tag;
        site.rva = 0x1230;
        site.return_rva = 0x1234;
        module.index.sites.push_back(site);
        site.kind = code::SiteKind::release;
        site.rva = 0x3230;
        site.return_rva = 0x3234;
        module.index.sites.push_back(site);
        site.tag = PoolTag::from_text("Othr");
        site.rva = 0x4230;
        module.index.sites.push_back(site);
        options.sites = [this](Work&) { return Answer<std::vector<const code::ModuleSites*>>{{&module}, {}}; };
    }
    std::uint32_t hit_tag_now() { return fake.target.virtual_memory().value<std::uint32_t>(hit_tag).value_or(0); }
    void expect_nothing_left() {
        EXPECT_EQ(hit_tag_now(), user_value);
        EXPECT_TRUE(journal.open_writes().empty());
        EXPECT_TRUE(fake.target.slots().empty());
        EXPECT_TRUE(controller.breakpoints().all().empty());
    }

    static constexpr std::uint32_t user_value = 0x11223344;
    code::ModuleSites module;
    FakePoolKernel fake;
    control::Journal journal;
    control::Controller controller;
    TraceOptions options;
    Work work;
};

TEST_F(Trace, MatchesFreesWithAllocationsAndPutsEverythingBack) {
    then_allocation(pages + 0x1050, build);
    then_allocation(pages + 0x2050, queue);
    then_release(pages + 0x2050, retire);
    then_allocation(pages + 0x3050, build, false); // the last hit: its return comes while things are put back
    then_returned(pages + 0x3050, build);
    auto report = trace(4);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->end, TraceEnd::limit);
    EXPECT_EQ(report->hits, 4u);
    EXPECT_EQ(report->allocations, 3u);
    EXPECT_EQ(report->releases, 1u);
    EXPECT_EQ(report->matched, 1u);
    EXPECT_EQ(report->outstanding, 2u);
    EXPECT_EQ(report->outstanding_bytes, 0xc0u);
    EXPECT_EQ(report->return_stops, 3u);
    EXPECT_EQ(report->blocks_sure, 4u);
    ASSERT_EQ(report->stacks.size(), 3u);
    EXPECT_EQ(report->stacks[0].outstanding, 2u);
    EXPECT_EQ(report->stacks[0].caller, 1u);
    EXPECT_EQ(report->stacks[0].frames[0].text, "nt!ExAllocatePoolWithTag+0x40");
    EXPECT_EQ(report->stacks[0].frames[1].address, build);
    EXPECT_EQ(report->stacks[1].freed_by, std::vector<VirtAddr>{retire});
    expect_nothing_left();
}

TEST_F(Trace, NeedsNoSecondStopOnceItKnowsWhereThePointerLies) {
    for (std::uint64_t i = 0; i < 8; ++i)
        then_allocation(pages + 0x1050 + i * 0x100, build, i < 4);
    auto report = trace(8);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->return_stops, 4u);
    EXPECT_EQ(report->outstanding, 8u);
    EXPECT_EQ(report->blocks_sure, 8u);
    expect_nothing_left();
}

TEST_F(Trace, APointerThatThePoolDoesNotProveIsSeenAtTheReturn) {
    for (std::uint64_t i = 0; i < 5; ++i)
        then_allocation(pages + 0x1050 + i * 0x100, build, i < 4);
    // rbx holds a block that is out already: it cannot be the new one.
    then_allocation(pages + 0x1050, build, false);
    then_returned(pages + 0x5050, build);
    put_block(pages + 0x5050);
    auto report = trace(6);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->return_stops, 5u);
    EXPECT_EQ(report->outstanding, 6u);
    EXPECT_EQ(report->freed_unseen, 0u);
    expect_nothing_left();
}

TEST_F(Trace, OfSeveralBlocksThatFitAFreeOneIsLikely) {
    put_block(pages + 0x1050);
    put_block(pages + 0x2050);
    then_release(pages + 0x1050, retire, pages + 0x2050);
    then_release(pages + 0x2050, retire); // only one fits: it is in rdi, and so are the next ones
    for (std::uint64_t i = 0; i < 4; ++i) {
        put_block(pages + 0x3050 + i * 0x100);
        then_release(pages + 0x3050 + i * 0x100, retire, pages + 0x1050);
    }
    auto report = trace(6);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->releases, 6u);
    EXPECT_EQ(report->blocks_likely, 4u);
    EXPECT_EQ(report->blocks_sure, 2u) << "the one that fitted alone, and the last: the place is learned";
    ASSERT_EQ(report->kept.size(), 6u);
    EXPECT_EQ(report->kept[2].block, VirtAddr(pages + 0x3050)) << "by what held at the stops before";
    EXPECT_EQ(report->kept[5].block, VirtAddr(pages + 0x3350));
}

TEST_F(Trace, ABlockThatOnlyItsHeaderIsKnownByMakesAnotherALikelyOne) {
    put_block(pages + 0x1050);
    put_block(pages + 0x2050);
    then_release(pages + 0x1050, retire, pages + 0x2040); // rbx points to the header of what is freed, rdi is stale
    then_release(pages + 0x1050, retire, pages + 0x1040); // both mean one block
    auto report = trace(2);
    ASSERT_TRUE(report);
    ASSERT_EQ(report->kept.size(), 2u);
    EXPECT_EQ(report->kept[0].block_sure, HowSure::likely);
    EXPECT_EQ(report->kept[1].block_sure, HowSure::sure);
    EXPECT_EQ(report->kept[1].block, VirtAddr(pages + 0x1050));
    expect_nothing_left();
}

TEST_F(Trace, WithManyWordsThatMayBeBlocksTheOneThatFitsIsLikely) {
    put_block(pages + 0x1050);
    fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        enter(self, retire, 0);
        const char* names[] = {"rbx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
        for (std::uint64_t i = 0; i < std::size(names); ++i)
            set(self, 0, names[i], pages + 0x10000 + i * 0x1000 + 0x50);
        for (std::uint64_t at = 0; at < frame_bytes; at += 8)
            self.virtual_memory().put_value(sp + at, pages + 0x30000 + at * 0x1000 + 0x50);
        for (std::uint64_t at = 0; at < 0x20; at += 8)
            self.virtual_memory().put_value(sp + frame_bytes + 8 + at, pages + 0x80000 + at * 0x1000 + 0x50);
        set(self, 0, "rdi", pages + 0x1050);
        set(self, 0, "rax", pages + 0xa0050);
        return stop_of(self, releaser + 0x40, status_breakpoint);
    });
    auto report = trace(1);
    ASSERT_TRUE(report);
    ASSERT_EQ(report->kept.size(), 1u);
    EXPECT_EQ(report->kept[0].block, VirtAddr(pages + 0x1050));
    EXPECT_EQ(report->kept[0].block_sure, HowSure::likely) << "not all of them were tried";
}

TEST_F(Trace, ABlockThatWasSeenHandedOutNeedsNoOtherProof) {
    for (std::uint64_t i = 0; i < 6; ++i)
        then_allocation(pages + 0x1050 + i * 0x100, build, i < 4);
    for (std::uint64_t i = 0; i < 6; ++i) {
        const std::uint64_t body = pages + 0x1050 + i * 0x100;
        fake.target.on_resume([=, this](FakeTarget& self, const target::Resume&) {
            // When the place of the pointer is learned the header is not looked at any more.
            if (i >= 4) fake.put_header(body - 16, 0x60, 0, PoolTag::from_text("Othr")->value, 3);
            enter(self, retire, 0);
            for (const char* name : {"rax", "rbx"})
                set(self, 0, name, 0);
            set(self, 0, "rdi", body);
            return stop_of(self, releaser + 0x40, status_breakpoint);
        });
    }
    auto report = trace(12);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->matched, 6u);
    EXPECT_EQ(report->blocks_sure, 12u);
    EXPECT_EQ(report->outstanding, 0u);
    expect_nothing_left();
}

TEST_F(Trace, WithoutBlocksThereIsNoSecondStop) {
    options.blocks = false;
    then_allocation(pages + 0x1050, build, false);
    then_allocation(pages + 0x1150, build, false);
    auto report = trace(2);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->return_stops, 0u);
    EXPECT_EQ(report->stacks[0].allocations, 2u);
    EXPECT_EQ(report->outstanding, 0u);
    expect_nothing_left();
}

TEST_F(Trace, AStopOfTheTargetsOwnEndsItThere) {
    then_allocation(pages + 0x1050, build);
    then_exception(0xc0000005);
    auto report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->end, TraceEnd::foreign_stop);
    EXPECT_EQ(report->outstanding, 1u);
    ASSERT_FALSE(report->notes.empty());
    EXPECT_THAT(report->notes.front(), HasSubstr("c0000005"));
    EXPECT_FALSE(controller.running());
    EXPECT_EQ(controller.last()->stop.ip, build);
    expect_nothing_left();
}

TEST_F(Trace, AStopOfTheTargetsOwnRightAfterTheEndIsTold) {
    fake.target.set_processors(2);
    then_allocation(pages + 0x1050, build);
    then_exception(0xc0000005);
    auto report = trace(1);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->hits, 1u);
    EXPECT_EQ(report->end, TraceEnd::foreign_stop);
    EXPECT_FALSE(controller.running());
    expect_nothing_left();
}

TEST_F(Trace, ABreakpointOfADriverIsNoHit) {
    fake.target.on_resume(
        [](FakeTarget& self, const target::Resume&) { return stop_of(self, build, status_breakpoint); });
    auto report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->end, TraceEnd::foreign_stop);
    EXPECT_EQ(report->hits, 0u);
    expect_nothing_left();
}

TEST_F(Trace, TheUserStopsIt) {
    then_allocation(pages + 0x1050, build);
    fake.target.on_resume([this](FakeTarget& self, const target::Resume&) {
        work.request_stop();
        put_block(pages + 0x2050);
        enter(self, build, 0);
        set(self, 0, "rbx", pages + 0x2050);
        return stop_of(self, allocator + 0x40, status_breakpoint);
    });
    auto report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->end, TraceEnd::user);
    EXPECT_GE(report->hits, 1u);
    EXPECT_FALSE(work.stop_requested()) << "it is answered";
    EXPECT_FALSE(controller.running());
    expect_nothing_left();
}

TEST_F(Trace, AReturnThatOvertakesTheUsersBreakInDoesNotLoseIt) {
    fake.target.set_processors(2);
    options.time = 10s;
    then_allocation(pages + 0x1050, build, false, 0);
    then_returned(pages + 0x9990, build, 1);                                // somebody else comes by
    fake.target.on_resume([this](FakeTarget& self, const target::Resume&) { // off the breakpoint
        work.request_stop();
        return stop_of(self, build + 1, status_single_step, 1, std::byte{0x90});
    });
    bool broke_in = false;
    fake.target.on_break_in([&](FakeTarget& self, const target::Resume&) {
        if (broke_in) return stop_of(self, VirtAddr(base + 0x500), status_breakpoint);
        self.on_resume([&](FakeTarget& same, const target::Resume&) {
            broke_in = true;
            return stop_of(same, VirtAddr(base + 0x500), status_breakpoint);
        });
        set(self, 0, "rsp", (sp + frame_bytes + 8).value);
        set(self, 0, "rax", pages + 0x1050);
        return stop_of(self, build, status_breakpoint, 0, std::byte{0x90});
    });
    auto report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->end, TraceEnd::user);
    EXPECT_EQ(report->hits, 1u);
    EXPECT_EQ(report->outstanding, 1u);
    EXPECT_TRUE(broke_in) << "the break-in that came late is met before the trace is over";
    expect_nothing_left();
}

TEST_F(Trace, ATimeWithoutHitsEndsWithABreakIn) {
    options.time = 30ms;
    auto report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->end, TraceEnd::limit);
    EXPECT_EQ(report->hits, 0u);
    EXPECT_FALSE(controller.running());
    EXPECT_THAT(report->notes, ::testing::Contains(HasSubstr("has never met the tag 'Leak'. !poolused lists")));
    expect_nothing_left();
}

TEST_F(Trace, WithoutHitsItTellsWhatTheKernelKnowsOfTheTag) {
    options.time = 30ms;
    const auto row_of = [](std::string_view tag) {
        return pool::tracker_hash(*PoolTag::from_text(tag)) & (FakePoolKernel::rows - 2);
    };
    fake.put_row(FakePoolKernel::tracker, row_of("kaeL"), {"kaeL", 0, 0, 0, 10, 4, 600});
    auto report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_THAT(report->notes, ::testing::Contains(HasSubstr("has 6 blocks of 'kaeL'. A constant of kd")));
    fake.put_row(FakePoolKernel::tracker, row_of("Leak"), {"Leak", 9, 2, 400, 0, 0, 0});
    report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_THAT(report->notes, ::testing::Contains(HasSubstr("counted 9 allocations and 2 frees of 'Leak', and has 7 "
                                                             "blocks of it")));
}

TEST_F(Trace, AnotherProcessorMayStopBeforeTheAllocatorReturns) {
    fake.target.set_processors(2);
    then_allocation(pages + 0x1050, build, false, 0);
    then_allocation(pages + 0x2050, queue, false, 1);
    then_returned(pages + 0x1050, build, 0);
    then_returned(pages + 0x2050, queue, 1);
    then_release(pages + 0x2050, retire);
    auto report = trace(3);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->allocations, 2u);
    EXPECT_EQ(report->matched, 1u);
    EXPECT_EQ(report->outstanding, 1u);
    ASSERT_EQ(report->kept.size(), 3u);
    EXPECT_EQ(report->kept[0].processor, 0u);
    EXPECT_EQ(report->kept[1].processor, 1u);
    expect_nothing_left();
}

TEST_F(Trace, AnotherThreadAtTheReturnIsPassedBy) {
    fake.target.set_processors(2);
    then_allocation(pages + 0x1050, build, false, 0);
    then_returned(pages + 0x9990, build, 1);                                // somebody else comes by
    fake.target.on_resume([](FakeTarget& self, const target::Resume& how) { // off the breakpoint
        EXPECT_TRUE(how.trace);
        return stop_of(self, build + 1, status_single_step, 1, std::byte{0x90});
    });
    then_returned(pages + 0x1050, build, 0);
    then_release(pages + 0x1050, retire);
    auto report = trace(2);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->matched, 1u);
    EXPECT_EQ(report->outstanding, 0u);
    expect_nothing_left();
}

TEST_F(Trace, AnInterruptMayComeBeforeTheAllocatorReturns) {
    then_allocation(pages + 0x1050, build, false);
    // In the same thread a routine of the kernel frees; below it lies the allocator, which has not returned yet.
    fake.target.on_resume([this](FakeTarget& self, const target::Resume&) {
        put_block(pages + 0x2050);
        const VirtAddr lower = sp - 2 * (frame_bytes + 8);
        set(self, 0, "rsp", lower.value);
        set(self, 0, "rbx", 0);
        set(self, 0, "rdi", pages + 0x2050);
        self.virtual_memory().put_value(lower + frame_bytes, (interrupt + 0x60).value);
        self.virtual_memory().put_value(lower + 2 * frame_bytes + 8, (allocator + 0x60).value);
        return stop_of(self, releaser + 0x40, status_breakpoint);
    });
    then_returned(pages + 0x1050, build);
    then_release(pages + 0x1050, retire);
    auto report = trace(3);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->blocks_unknown, 0u);
    EXPECT_EQ(report->return_stops, 1u);
    EXPECT_EQ(report->matched, 1u);
    EXPECT_EQ(report->outstanding, 0u);
    expect_nothing_left();
}

TEST_F(Trace, SamplingPassesHitsOver) {
    options.sample = 3;
    options.blocks = false;
    for (std::uint64_t i = 0; i < 60; ++i)
        then_allocation(pages + 0x1050, build, false);
    auto report = trace(60);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->hits, 60u);
    EXPECT_GT(report->sampled, 8u);
    EXPECT_LT(report->sampled, 40u);
    EXPECT_EQ(report->allocations, report->sampled);
}

TEST_F(Trace, StopsAlsoWhereTheUserWantsNoneAtBreakpoints) {
    controller.filters().row_of(status_breakpoint).reaction = control::Reaction::ignore;
    options.blocks = false;
    then_allocation(pages + 0x1050, build, false);
    auto report = trace(1);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->hits, 1u);
    EXPECT_EQ(controller.filters().for_exception(status_breakpoint).reaction, control::Reaction::ignore);
    expect_nothing_left();
}

TEST_F(Trace, ARestartEndsIt) {
    then_allocation(pages + 0x1050, build);
    fake.target.on_resume([](FakeTarget& self, const target::Resume&) {
        self.virtual_memory().put_value<std::uint32_t>(hit_tag, 0);
        target::Stop stop = stop_of(self, VirtAddr(base + 0x500), status_breakpoint);
        stop.after_restart = true;
        return stop;
    });
    auto report = trace(100);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->end, TraceEnd::restart);
    EXPECT_EQ(report->allocations, 1u);
    EXPECT_EQ(hit_tag_now(), 0u) << "nothing of the last boot is written into the new one";
}

TEST_F(Trace, ThePauseOfAShareStopsAtNoTag) {
    options.share = 0.01;
    options.time = 400ms;
    for (int i = 0; i < 40; ++i)
        fake.target.on_resume([this](FakeTarget& self, const target::Resume&) {
            std::this_thread::sleep_for(1ms);
            put_block(pages + 0x1050);
            enter(self, build, 0);
            set(self, 0, "rbx", pages + 0x1050);
            return stop_of(self, allocator + 0x40, status_breakpoint);
        });
    options.blocks = false;
    auto report = trace(1000);
    ASSERT_TRUE(report);
    expect_nothing_left();
    std::vector<std::uint32_t> written;
    for (const auto& [address, bytes] : fake.target.writes())
        if (address == hit_tag) written.push_back(load_or<std::uint32_t>(bytes, 0));
    ASSERT_GE(written.size(), 4u);
    EXPECT_EQ(written.back(), user_value);
    written.pop_back();
    EXPECT_THAT(written, ::testing::Each(::testing::AnyOf(0u, options.tag.value)))
        << "the user's own would stop it, too, and its hits would count";
    EXPECT_THAT(written, ::testing::Contains(0u));
}

TEST_F(Trace, ATagThatIsTheUsersOwnAlreadyStays) {
    fake.target.virtual_memory().put_value<std::uint32_t>(hit_tag, options.tag.value);
    then_release(pages + 0x1050, retire);
    auto report = trace(1);
    ASSERT_TRUE(report);
    EXPECT_EQ(hit_tag_now(), options.tag.value);
    EXPECT_TRUE(journal.open_writes().empty());
}

TEST_F(Trace, BreakpointsOnCallSitesWhereTheVariableIsProtected) {
    know_sites();
    fake.target.protect_from(hit_tag);

    const VirtAddr call(0xfffff88001003230);
    for (std::uint64_t body : {pages + 0x1050, pages + 0x2050}) {
        fake.target.on_resume([=, this](FakeTarget& self, const target::Resume&) {
            EXPECT_EQ(self.slots().size(), 2u);
            put_block(body);
            set(self, 0, "rsp", sp.value);
            set(self, 0, "rax", body);
            return stop_of(self, build, status_breakpoint, 0, std::byte{0x90});
        });
        fake.target.on_resume([](FakeTarget& self, const target::Resume& how) { // off the breakpoint
            EXPECT_TRUE(how.trace);
            return stop_of(self, build + 1, status_single_step, 0, std::byte{0x90});
        });
    }
    fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
        set(self, 0, "rcx", pages + 0x2050);
        return stop_of(self, call, status_breakpoint, 0, std::byte{0x90});
    });
    auto report = trace(3);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->means, TraceMeans::call_sites);
    EXPECT_THAT(report->means_note, HasSubstr("2 call sites"));
    EXPECT_EQ(report->allocations, 2u);
    EXPECT_EQ(report->matched, 1u);
    EXPECT_EQ(report->outstanding, 1u);
    EXPECT_EQ(report->blocks_sure, 3u);
    EXPECT_EQ(fake.target.slots_set(), 4u) << "only the one that was hit has to be set again";
    ASSERT_FALSE(report->stacks.empty());
    EXPECT_EQ(report->stacks[0].caller, 0u);
    expect_nothing_left();
}

TEST_F(Trace, BreakpointsOnCallSitesWhereTheKernelCountsAndDoesNotStop) {
    know_sites();
    const std::uint64_t row = pool::tracker_hash(options.tag) & (FakePoolKernel::rows - 2);
    fake.put_row(FakePoolKernel::tracker, row, {"Leak", 0, 0, 0, 10, 4, 600});
    fake.target.on_break_in([=, this](FakeTarget& self, const target::Resume&) {
        fake.put_row(FakePoolKernel::tracker, row, {"Leak", 0, 0, 0, 40, 12, 3000});
        // The driver's next call is at the breakpoint that takes the variable's place.
        self.on_resume([this](FakeTarget& target, const target::Resume&) {
            put_block(pages + 0x1050);
            set(target, 0, "rsp", sp.value);
            set(target, 0, "rax", pages + 0x1050);
            return stop_of(target, build, status_breakpoint, 0, std::byte{0x90});
        });
        return stop_of(self, VirtAddr(base + 0x500), status_breakpoint);
    });
    auto report = trace(1);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->means, TraceMeans::call_sites);
    EXPECT_THAT(report->means_note, HasSubstr("counted 38 allocations and frees"));
    EXPECT_EQ(report->outstanding, 1u);
    expect_nothing_left();
}

TEST_F(Trace, WithoutVariableAndSitesThereIsAClearError) {
    fake.target.protect_from(hit_tag);
    auto report = trace(3);
    ASSERT_FALSE(report);
    EXPECT_THAT(report.error().message, HasSubstr("call sites"));
    expect_nothing_left();
}

TEST_F(Trace, RefusesWhatCannotBeTraced) {
    options.tag = PoolTag(0);
    EXPECT_EQ(trace(1).error().kind, ErrorKind::usage);
    options.tag = *PoolTag::from_text("Leak");
    fake.target.set_run_control(false);
    EXPECT_EQ(trace(1).error().kind, ErrorKind::unsupported);
}

} // namespace
} // namespace poolkd::hunt
