#include "target/segments.h"

namespace poolkd::target {

namespace {

constexpr std::uint64_t local_table = 4; // bit of a selector: its descriptor is in the LDT
constexpr std::uint64_t index_bits = ~7ull;
constexpr std::size_t descriptor_size = 8;

Result<VirtAddr> base_of_selector(Target& target, std::uint64_t selector, VirtAddr table) {
    if ((selector & local_table) != 0 || (selector & index_bits) == 0)
        return fail(ErrorKind::unsupported, "The selector {:#06x} names no descriptor of the GDT", selector);
    POOLKD_TRY(const ByteVector descriptor,
               memory::read_exact(target.memory(), table + (selector & index_bits), descriptor_size));
    // A descriptor has the bits of its base at three places.
    const std::uint64_t base =
        load_or<std::uint32_t>(descriptor, 2) % 0x1000000 | std::uint64_t{load_or<std::uint8_t>(descriptor, 7)} << 24;
    return target.identity().machine->canonical(base);
}

} // namespace

Result<VirtAddr> segment_base(Target& target, std::uint32_t processor, const RegisterFile& registers,
                              std::string_view segment) {
    const Machine& machine = *target.identity().machine;
    POOLKD_TRY(const ByteVector special, target.special_registers(processor));
    if (machine.pointer_size == 8) {
        if (segment != "gs") return fail(ErrorKind::unsupported, "The base of {} is not known", segment);
        if (const auto base = machine.special(special, "gsbase")) return VirtAddr(*base);
        return fail(ErrorKind::unsupported, "The target does not tell the base of gs");
    }
    const auto selector = registers.get(segment);
    const auto table = machine.special(special, "gdtr");
    if (!selector || !table) return fail(ErrorKind::unsupported, "The target does not tell the base of {}", segment);
    return base_of_selector(target, *selector, machine.canonical(*table));
}

} // namespace poolkd::target
