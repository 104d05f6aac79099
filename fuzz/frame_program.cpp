// Any text as a frame program over a stack of the fuzzer's: the caller's registers or an error, within the bounds.

#include "code/frame_program.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace poolkd;

constexpr VirtAddr stack_base{0xfffffffff8ad0000};

class FuzzStack final : public memory::AddressSpace {
  public:
    explicit FuzzStack(Bytes bytes) : bytes_(bytes) {}
    memory::ReadResult read(VirtAddr address, MutableBytes out, Work*) override {
        const std::uint64_t offset = address - stack_base;
        if (offset >= bytes_.size()) return {0, GapReason::unmapped};
        const std::size_t count = std::min<std::size_t>(out.size(), bytes_.size() - offset);
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
        if (count == out.size()) return {count, std::nullopt};
        return {count, GapReason::unmapped};
    }

  private:
    Bytes bytes_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t stack_size = 256;
    Bytes input = std::as_bytes(std::span(data, size));
    if (input.size() < stack_size) return 0;
    FuzzStack memory(input.first(stack_size));
    code::StackReader stack(memory, x86_machine());
    const std::string_view program(reinterpret_cast<const char*>(data) + stack_size, size - stack_size);
    code::GeneralRegisters registers;
    registers.machine = &x86_machine();
    registers.gpr[code::rsp] = (stack_base + 16).value & 0xffffffff;
    registers.gpr[code::rbp] = (stack_base + 64).value & 0xffffffff;
    const code::FrameProgramInput sizes{.return_slot = static_cast<std::uint32_t>((stack_base + 32).value),
                                        .parameters = 8,
                                        .callee_parameters = 4,
                                        .locals = 12,
                                        .saved_registers = 4};
    auto caller = code::run_frame_program(program, registers, sizes, stack);
    if (!caller) {
        if (caller.error().kind != ErrorKind::malformed && caller.error().kind != ErrorKind::unreadable) std::abort();
        return 0;
    }
    if (caller->machine != &x86_machine() || caller->pc > UINT32_MAX || caller->gpr[code::rsp] > UINT32_MAX)
        std::abort();
    return 0;
}
