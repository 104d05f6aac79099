#include "hunt/unseen_code.h"

#include "pe/image.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::size_t header_bytes = 0x1000;

/// The headers of an image in target memory; nothing when they cannot be read.
std::vector<pe::Section> sections_of(nt::Kernel& kernel, const code::ModuleSites& module) {
    ByteVector header(std::min<std::size_t>(header_bytes, module.size));
    header.resize(kernel.memory().read(module.base, header).bytes);
    pe::SpanReader reader{header};
    auto image = pe::Image::open(reader, pe::ImageLayout::memory);
    if (!image) return {};
    return {image->sections().begin(), image->sections().end()};
}

} // namespace

std::string unseen_code(nt::Kernel& kernel, const code::ModuleSites& module) {
    const Coverage& coverage = module.index.coverage;
    if (coverage.complete()) return {};
    const std::vector<pe::Section> sections = sections_of(kernel, module);
    if (sections.empty() || coverage.gaps().size() == Coverage::kept_gaps) return coverage.sentence();
    std::uint64_t bytes = 0;
    for (const Gap& gap : coverage.gaps()) {
        if (gap.bytes == 0 || gap.first < module.base) return coverage.sentence(); // a limit, or the user's stop
        const std::uint64_t first = gap.first - module.base, end = first + gap.bytes;
        for (const pe::Section& section : sections) {
            if (!section.is_code() || section.is_discardable()) continue;
            const std::uint64_t begins = std::max<std::uint64_t>(first, section.rva);
            const std::uint64_t ends = std::min<std::uint64_t>(end, std::uint64_t{section.rva} + section.size());
            if (begins < ends) bytes += ends - begins;
        }
    }
    return bytes == 0 ? std::string() : fmt::format("{} bytes of code could not be read", bytes);
}

bool may_be_paged(nt::Kernel& kernel, const code::ModuleSites& module, std::uint32_t rva) {
    return std::ranges::any_of(sections_of(kernel, module), [&](const pe::Section& section) {
        return section.contains(rva) && section.name.starts_with("PAGE");
    });
}

} // namespace poolkd::hunt
