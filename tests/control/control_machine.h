#pragma once

#include "control/controller.h"
#include "control/exceptions.h"
#include "support/fake_pool.h"

#include <gtest/gtest.h>

namespace poolkd::control {

using testing::FakePoolKernel;
using testing::FakeTarget;
using testing::thread_on;

constexpr VirtAddr code(FakePoolKernel::base + 0x400);
constexpr std::uint64_t traced = 0x4000; ///< DR6 after one traced instruction

inline target::Stop stop_at(FakeTarget& fake, VirtAddr ip, std::uint32_t exception, std::byte first_byte,
                            std::uint64_t dr6 = 0, std::uint16_t processor = 0) {
    fake.edit_registers(processor).set_ip(ip);
    target::Stop stop;
    stop.processor = processor;
    stop.processors = fake.identity().processors;
    stop.thread = thread_on(processor);
    stop.ip = ip;
    stop.dr7 = 0x400;
    stop.dr6 = dr6;
    stop.instruction_stream = ByteVector(16, std::byte{0x90});
    stop.instruction_stream[0] = first_byte;
    stop.reason = target::ExceptionStop{.code = exception, .flags = 0, .address = ip, .parameters = {}};
    return stop;
}

/// A machine full of NOPs that stands at an int 3 compiled into it, and the stops that a test prepares.
struct Machine {
    explicit Machine(std::uint32_t processors = 1) : journal(*fake.kernel, {}), controller(*fake.kernel, journal) {
        fake.target.virtual_memory().put(code, Bytes(ByteVector(64, std::byte{0x90})));
        fake.target.set_processors(processors);
        fake.target.edit_stop() = stop_at(fake.target, code, status_breakpoint, std::byte{0xcc});
        EXPECT_TRUE(controller.adopt_stop());
    }
    void add_breakpoint(VirtAddr address, std::uint32_t passes = 1) {
        Breakpoint breakpoint;
        breakpoint.address = address;
        breakpoint.passes = breakpoint.passes_left = passes;
        ASSERT_TRUE(controller.breakpoints().add(breakpoint, std::nullopt));
    }
    void add_watch(WatchKind kind, std::uint8_t size, VirtAddr address) {
        Breakpoint breakpoint;
        breakpoint.address = address;
        breakpoint.watch = Watch{kind, size};
        ASSERT_TRUE(controller.breakpoints().add(breakpoint, std::nullopt));
    }
    /// The next stop is a hit of a breakpoint at `ip`.
    void then_hit(VirtAddr ip, std::uint16_t processor = 0) {
        fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
            return stop_at(self, ip, status_breakpoint, std::byte{0x90}, 0, processor);
        });
    }
    /// The next stop ends a traced instruction at `ip`, or is what the debug registers of `dr6` saw.
    void then_trap(VirtAddr ip, std::uint64_t dr6 = traced, std::uint16_t processor = 0) {
        fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
            return stop_at(self, ip, status_single_step, std::byte{0x90}, dr6, processor);
        });
    }
    /// The next stop is an int 3 of the target's own.
    void then_own_int3(VirtAddr ip, std::uint16_t processor = 0) {
        fake.target.on_resume([=](FakeTarget& self, const target::Resume&) {
            return stop_at(self, ip, status_breakpoint, std::byte{0xcc}, 0, processor);
        });
    }
    [[nodiscard]] const std::vector<target::Resume>& resumes() const { return fake.target.resumes(); }

    FakePoolKernel fake;
    Journal journal;
    Controller controller;
    Work work;
};

} // namespace poolkd::control
