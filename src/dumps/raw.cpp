// Memory without a container: pmemsave, dd, the file of a virtual machine's RAM. It has no signature, so this format
// takes what no other wants.
#include "dumps/raw.h"

#include "dumps/format.h"

namespace poolkd::dumps {

std::vector<Run<PhysAddr>> raw_runs(std::uint64_t file_size, std::uint64_t low_memory_end) {
    constexpr std::uint64_t four_gib = 1ull << 32;
    if (low_memory_end == 0 || file_size <= low_memory_end) return {{PhysAddr(0), file_size, FileOffset(0)}};
    return {{PhysAddr(0), low_memory_end, FileOffset(0)},
            {PhysAddr(four_gib), file_size - low_memory_end, FileOffset(low_memory_end)}};
}

namespace {

constexpr std::uint64_t smallest_raw = 4096;

Result<MemoryImage> open_raw(const FormatInput& input) {
    const std::uint64_t size = input.file->size();
    if (size < smallest_raw)
        return fail(ErrorKind::unsupported, "no known signature, and too small for an image of memory ({} bytes)",
                    size);
    MemoryImage image;
    image.file = input.file;
    image.changing = input.file->may_have_writers();
    image.facts.container = "raw memory";
    image.assumed_offsets = input.options.low_memory_end == 0;
    image.physical = std::make_unique<ImageMemory>(
        input.file, std::make_unique<RunTable<PhysAddr>>(
                        RunTable<PhysAddr>::build(raw_runs(size, input.options.low_memory_end), size, image.coverage)));
    return image;
}

} // namespace

constinit const Format raw_format{"raw memory", [](const FormatInput&) { return true; }, open_raw};

} // namespace poolkd::dumps
