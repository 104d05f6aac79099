// Any bytes as an ELF core of a virtual machine.
#include "dumps_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    poolkd::dumps::open_and_walk(data, size, poolkd::dumps::elf_core_format);
    return 0;
}
