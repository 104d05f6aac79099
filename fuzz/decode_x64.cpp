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
    auto instruction = code::decode_x64(input, VirtAddr(0xfffff80000001000), name);
    if (!instruction) return 0;
    if (instruction->length == 0 || instruction->length > 15 || instruction->length > size) std::abort();
    if (instruction->mnemonic.empty()) std::abort();
    RegisterFile registers(x64_machine(), ByteVector(x64_machine().context_size));
    NoMemory memory;
    (void)code::operand_note(*instruction, registers, memory, name);
    return 0;
}
