// Frame records, code and stack of x86 from the fuzzer: the walk must end within its bounds, whatever they hold.

#include "code/stack.h"
#include "code/stack_names.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace poolkd;

constexpr VirtAddr image_base{0xffffffff80400000};
constexpr VirtAddr stack_base{0xfffffffff8ad0000};
constexpr std::uint32_t image_size = 0x2000, stack_size = 0x2000;

class FuzzMemory final : public memory::AddressSpace {
  public:
    FuzzMemory(Bytes image, Bytes stack) : image_(image_size), stack_(stack_size) {
        std::ranges::copy(image.first(std::min<std::size_t>(image.size(), image_size)), image_.begin());
        std::ranges::copy(stack.first(std::min<std::size_t>(stack.size(), stack_size)), stack_.begin());
        // The kernel's size is read from its header.
        store(image_, 0x3c, std::uint32_t{0x80});
        store(image_, 0x80, std::uint32_t{0x4550});
        store(image_, 0x80 + 0x50, image_size);
    }
    memory::ReadResult read(VirtAddr address, MutableBytes out, Work*) override {
        for (auto [base, bytes] : {std::pair(image_base, &image_), std::pair(stack_base, &stack_)}) {
            const std::uint64_t offset = address - base;
            if (offset >= bytes->size()) continue;
            const std::size_t count = std::min<std::size_t>(out.size(), bytes->size() - offset);
            std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
            if (count == out.size()) return {count, std::nullopt};
            return {count, GapReason::unmapped};
        }
        return {0, out.empty() ? std::nullopt : std::optional(GapReason::unmapped)};
    }

  private:
    ByteVector image_, stack_;
};

/// A function every 256 bytes; every other one has a frame record with the fuzzer's numbers.
class FuzzSymbols final : public symbols::ModuleSymbols {
  public:
    explicit FuzzSymbols(Bytes numbers) : numbers_(numbers) {}
    symbols::Provenance provenance() const override { return symbols::Provenance::pdb_public; }
    std::string file() const override { return "fuzz.pdb"; }
    bool has_types() const override { return false; }
    std::optional<symbols::Symbol> find(std::string_view) override { return std::nullopt; }
    std::vector<symbols::Symbol> find_all(std::string_view) override { return {}; }
    std::optional<symbols::Symbol> nearest(std::uint32_t rva) override {
        symbols::Symbol symbol{"Function", rva & ~0xffu, 0, true, symbols::Provenance::pdb_public};
        symbol.argument_bytes = static_cast<std::uint16_t>(rva >> 8 & 0xf) * 4;
        return symbol;
    }
    std::optional<symbols::Symbol> next(std::uint32_t) override { return std::nullopt; }
    std::vector<symbols::Symbol> match(std::string_view, std::size_t) override { return {}; }
    Result<symbols::StructLayout> layout(std::string_view) override { return fail(ErrorKind::not_found, "none"); }
    Result<symbols::TypePtr> type(std::string_view) override { return fail(ErrorKind::not_found, "none"); }
    std::optional<symbols::TypePtr> type_of_symbol(std::string_view) override { return std::nullopt; }
    std::vector<std::string> match_types(std::string_view, std::size_t) override { return {}; }
    std::optional<symbols::SourceLine> line(std::uint32_t) override { return std::nullopt; }
    std::optional<symbols::FrameRecord> frame(std::uint32_t rva) override {
        if ((rva >> 8) % 2 == 0) return std::nullopt;
        static constexpr std::string_view programs[] = {
            "$T0 .raSearch = $eip $T0 ^ = $esp $T0 4 + =",
            "$T0 $ebp = $eip $T0 4 + ^ = $ebp $T0 ^ = $esp $T0 8 + =",
            "$T0 $ebp = $T2 $esp = $T1 .raSearchStart = $eip $T1 ^ = $ebp $T0 = $esp $T1 4 + =",
            "$T0 $esp 8 @ = $eip $T0 ^ = $esp $T0 4 + = $ebp $T0 4 - ^ =",
        };
        auto number = [&](std::size_t at) { return load_or<std::uint32_t>(numbers_, at); };
        const std::uint32_t at = (rva >> 8) * 16;
        symbols::FrameRecord record;
        record.rva = rva & ~0xffu;
        record.size = 0x100;
        record.kind = static_cast<symbols::FrameRecord::Kind>(number(at) % 5);
        record.locals = number(at + 4);
        record.saved_registers = number(at) >> 8 & 0xff;
        record.parameters = number(at + 8);
        record.uses_frame_pointer = (number(at) >> 16 & 1) != 0;
        record.program = programs[number(at + 12) % std::size(programs)];
        return record;
    }

  private:
    Bytes numbers_;
};

class FuzzTarget final : public target::Target {
  public:
    explicit FuzzTarget(FuzzMemory& memory) : memory_(memory) {
        identity_.machine = &x86_machine();
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
    constexpr std::size_t head = 12, numbers = 0x200;
    Bytes input = std::as_bytes(std::span(data, size));
    if (input.size() < head + numbers) return 0;
    Bytes rest = input.subspan(head + numbers);
    FuzzMemory memory(rest.first(rest.size() / 2), rest.subspan(rest.size() / 2));
    FuzzTarget target(memory);
    auto symbols = std::make_shared<FuzzSymbols>(input.subspan(head, numbers));
    nt::Kernel kernel(target, [&](nt::Module& module) {
        module.symbols = symbols;
        module.symbol_state = nt::SymbolState::loaded;
    });
    RegisterFile registers(x86_machine(), ByteVector(x86_machine().context_size));
    registers.set("eip", image_base.value + load_or<std::uint32_t>(input, 0) % image_size);
    registers.set("esp", stack_base.value + load_or<std::uint32_t>(input, 4) % stack_size);
    registers.set("ebp", stack_base.value + load_or<std::uint32_t>(input, 8) % stack_size);
    constexpr std::size_t limit = 64;
    Answer<code::StackTrace> answer = code::walk_stack(kernel, registers, {.max_frames = limit});
    if (answer.value.frames.size() > limit) std::abort();
    if (code::name_frames(kernel, answer.value).size() != answer.value.frames.size()) std::abort();
    return 0;
}
