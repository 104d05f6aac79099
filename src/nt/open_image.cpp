#include "nt/open_image.h"

#include "nt/image_processors.h"
#include "nt/page_roots.h"

#include <utility>
#include <vector>

namespace poolkd::nt {

Result<OpenedImage> open_image(const std::string& path, Work& work, std::span<const std::uint64_t> low_memory_ends) {
    POOLKD_TRY(auto target, target::DumpTarget::open(path));
    std::vector<std::uint64_t> ends = {0};
    if (target->image().assumed_offsets && target->image().physical)
        ends = low_memory_ends_by_evidence(*target->image().physical, low_memory_ends, work);
    // The kernel alone proves little: it often lies in the low part, which is right with each of them.
    std::optional<Error> first_error;
    for (const std::uint64_t end : ends) {
        if (end != 0 || !target) {
            POOLKD_TRY(target, target::DumpTarget::open(path, {.low_memory_end = end}));
        }
        auto kernel = find_kernel(*target, work);
        if (kernel) {
            const std::size_t records = adopt_processors(*target, *kernel);
            return OpenedImage{std::move(target), std::move(*kernel), end, records};
        }
        if (!first_error) first_error = std::move(kernel).error();
        if (first_error->kind != ErrorKind::not_found || work.stop_requested()) break;
        target.reset();
    }
    return std::unexpected(std::move(*first_error));
}

} // namespace poolkd::nt
