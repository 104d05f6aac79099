#pragma once

#include "base/exception_codes.h"
#include "support/session_fixture.h"

namespace poolkd::testing {

/// The same, with the target standing at nt!DbgBreakPoint (an int 3, then ret); nt!Worker is 0x100 behind it.
class StoppedSessionFixture : public SessionFixture {
  protected:
    StoppedSessionFixture() {
        symbols->add("DbgBreakPoint", 0x400, true);
        symbols->add("Worker", 0x500, true);
        memory().put(at(0x400), Bytes(ByteVector(0x200, std::byte{0x90})));
        memory().put(at(0x400), {0xcc, 0xc3});
        target->edit_stop() = stop(*target, at(0x400), std::byte{0xcc});
        EXPECT_TRUE(session.controller().adopt_stop());
        session.note_stop();
    }
    static VirtAddr at(std::uint64_t rva) { return kernel_base + rva; }
    /// A stop at an int 3; `first` fills the instructions that its report shows.
    static target::Stop stop(FakeTarget& fake, VirtAddr ip, std::byte first) {
        fake.edit_registers().set_ip(ip);
        target::Stop stop;
        stop.ip = ip;
        stop.instruction_stream = ByteVector(16, first);
        stop.reason = target::ExceptionStop{.code = status_breakpoint, .flags = 0, .address = ip, .parameters = {}};
        return stop;
    }
};

} // namespace poolkd::testing
