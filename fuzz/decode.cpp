// Any bytes as code: an error, or an instruction that lies inside them and says so.

#include "code/decoder.h"
#include "code/effective_address.h"

#include <cstdlib>

namespace {

class NoMemory final : public poolkd::memory::AddressSpace {
  public:
    poolkd::memory::ReadResult read(poolkd::VirtAddr, poolkd::MutableBytes, poolkd::Work*) override {
        return {0, poolkd::GapReason::unmapped};
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace poolkd;
    Bytes input = std::as_bytes(std::span(data, size));
    auto name = [](VirtAddr address) { return address.value & 1 ? std::string("nt!Name+0x1") : std::string(); };
    for (const Machine* machine : {&x64_machine(), &x86_machine()}) {
        const VirtAddr here = machine->canonical(0xfffff80080001000);
        auto instruction = code::decode(*machine, input, here, name);
        if (!instruction) continue;
        if (instruction->length == 0 || instruction->length > 15 || instruction->length > size) std::abort();
        if (instruction->mnemonic.empty()) std::abort();
        for (auto address : {instruction->target, instruction->slot})
            if (address && machine->canonical(address->value) != *address) std::abort();
        RegisterFile registers(*machine, ByteVector(machine->context_size));
        NoMemory memory;
        (void)code::operand_note(*instruction, registers, memory, name);
    }
    return 0;
}
