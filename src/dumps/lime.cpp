// LiME, and AVML where it writes the same format: ranges, each with a header of 32 bytes.
#include "dumps/format.h"

#include <algorithm>

namespace poolkd::dumps {

namespace {

constexpr std::uint32_t lime_magic = 0x4c694d45; // "EMiL" in the file
constexpr std::uint64_t lime_header_bytes = 32;

Result<MemoryImage> open_lime(const FormatInput& input) {
    const Bytes file = input.bytes();
    MemoryImage image;
    image.file = input.file;
    image.facts.container = "LiME image";
    std::vector<Run<PhysAddr>> runs;
    std::uint64_t at = 0;
    while (at + lime_header_bytes <= file.size()) {
        const auto magic = load_or<std::uint32_t>(file, at), version = load_or<std::uint32_t>(file, at + 4);
        const auto start = load_or<std::uint64_t>(file, at + 8), last = load_or<std::uint64_t>(file, at + 16);
        if (magic == 0) break;
        // The last address is part of the range; some tools write the one behind it.
        const std::uint64_t end = (last & 0xfff) == 0 ? last : last + 1;
        if (magic != lime_magic || version != 1 || end <= start || runs.size() == RunTable<PhysAddr>::most_runs) {
            image.facts.remarks.push_back(fmt::format("What stands at {:#x} of the file is no header of a range: the "
                                                      "rest was not used.",
                                                      at));
            image.coverage.limit_reached = true;
            break;
        }
        runs.push_back({PhysAddr(start), end - start, FileOffset(at + lime_header_bytes)});
        if (end - start > file.size() - at - lime_header_bytes) break; // the file ends inside
        at += lime_header_bytes + (end - start);
    }
    if (runs.empty()) return fail(ErrorKind::malformed, "the LiME image has no ranges");
    image.physical = std::make_unique<ImageMemory>(
        input.file,
        std::make_unique<RunTable<PhysAddr>>(RunTable<PhysAddr>::build(std::move(runs), file.size(), image.coverage)));
    return image;
}

} // namespace

constinit const Format lime_format{
    "LiME", [](const FormatInput& input) { return load<std::uint32_t>(input.bytes(), 0) == lime_magic; }, open_lime};

} // namespace poolkd::dumps
