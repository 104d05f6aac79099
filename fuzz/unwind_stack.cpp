// Unwind records, code and stack from the fuzzer: the walk must end within its bounds, whatever they hold.

#include "code/stack.h"
#include "code/stack_names.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace poolkd;

constexpr VirtAddr image_base{0xfffff80000000000};
constexpr VirtAddr stack_base{0xfffff88000000000};
constexpr std::uint32_t image_size = 0x4000, stack_size = 0x4000;

/// An image whose headers are sound and everything else the fuzzer's, and a stack.
class FuzzMemory final : public memory::AddressSpace {
  public:
    FuzzMemory(Bytes image, Bytes stack) : image_(image_size), stack_(stack_size) {
        // The table comes first, so that short inputs reach it; records and code follow in the same bytes.
        constexpr std::uint32_t table = 0x200, count = 4;
        std::ranges::copy(image.first(std::min<std::size_t>(image.size(), image_size - table)), image_.begin() + table);
        std::ranges::copy(stack.first(std::min<std::size_t>(stack.size(), stack_size)), stack_.begin());
        store(image_, 0, std::uint16_t{0x5a4d});
        store(image_, 0x3c, std::uint32_t{0x80});
        store(image_, 0x80, std::uint32_t{0x4550});
        store(image_, 0x84, std::uint16_t{0x8664});
        store(image_, 0x98, std::uint16_t{0x20b});
        store(image_, 0x80 + 0x50, image_size);
        store(image_, 0x98 + 108, std::uint32_t{16});
        store(image_, 0x98 + 112 + 24, table);
        store(image_, 0x98 + 112 + 28, count * 12);
    }
    memory::ReadResult read(VirtAddr address, MutableBytes out, Work*) override {
        for (auto [base, bytes] : {std::pair(image_base, &image_), std::pair(stack_base, &stack_)}) {
            std::uint64_t offset = address - base;
            if (offset >= bytes->size()) continue;
            std::size_t count = std::min<std::size_t>(out.size(), bytes->size() - offset);
            std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
            if (count == out.size()) return {count, std::nullopt};
            return {count, GapReason::unmapped};
        }
        return {0, out.empty() ? std::nullopt : std::optional(GapReason::unmapped)};
    }

  private:
    ByteVector image_, stack_;
};

class FuzzTarget final : public target::Target {
  public:
    explicit FuzzTarget(FuzzMemory& memory) : memory_(memory) {
        identity_.machine = &x64_machine();
        identity_.kernel_base = image_base;
    }
    const target::Identity& identity() const override { return identity_; }
    target::Epoch epoch() const override { return 1; }
    memory::AddressSpace& memory() override { return memory_; }
    memory::PhysicalMemory& physical() override { std::abort(); }
    Result<RegisterFile> registers(std::uint32_t) override { return fail(ErrorKind::unsupported, "none"); }
    Result<ByteVector> special_registers(std::uint32_t) override { return fail(ErrorKind::unsupported, "none"); }
    Result<VirtAddr> processor_block(std::uint32_t) override { return fail(ErrorKind::unsupported, "none"); }

  private:
    FuzzMemory& memory_;
    target::Identity identity_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Bytes input = std::as_bytes(std::span(data, size));
    if (input.size() < 16) return 0;
    auto ip = load_or<std::uint32_t>(input, 0) % image_size;
    auto sp = load_or<std::uint32_t>(input, 4) % stack_size;
    auto rbp_value = load_or<std::uint64_t>(input, 8);
    Bytes rest = input.subspan(16);
    FuzzMemory memory(rest.first(rest.size() / 2), rest.subspan(rest.size() / 2));
    FuzzTarget target(memory);
    nt::Kernel kernel(target, {});
    RegisterFile registers(x64_machine(), ByteVector(x64_machine().context_size));
    registers.set("rip", (image_base + ip).value);
    registers.set("rsp", (stack_base + sp).value);
    registers.set("rbp", rbp_value);
    constexpr std::size_t limit = 64;
    Answer<code::StackTrace> answer = code::walk_stack(kernel, registers, {.max_frames = limit});
    if (answer.value.frames.size() > limit) std::abort();
    if (code::name_frames(kernel, answer.value).size() != answer.value.frames.size()) std::abort();
    return 0;
}
