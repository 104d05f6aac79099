#include "hunt/tag_hint.h"

#include "pool/tag_counter.h"

namespace poolkd::hunt {

namespace {

/// Of either pool, since the start; nothing where the kernel has no row for the tag, or none that can be read.
std::optional<pool::PoolCounts> counts_of(nt::Kernel& kernel, PoolTag tag, Work& work) {
    auto counter = pool::TagCounter::create(kernel, tag, work);
    if (!counter) return std::nullopt;
    auto usage = counter->read(kernel);
    if (!usage) return std::nullopt;
    pool::PoolCounts sum = usage->nonpaged;
    sum.allocs += usage->paged.allocs;
    sum.frees += usage->paged.frees;
    sum.bytes += usage->paged.bytes;
    return sum;
}

} // namespace

std::string tag_hint(nt::Kernel& kernel, PoolTag tag, Work& work) {
    tag = tag.bare();
    const auto counts = counts_of(kernel, tag, work);
    if (!counts) return {};
    if (counts->touched())
        return fmt::format("Since its start the kernel has counted {} allocations and {} frees of '{}', and has {} "
                           "blocks of it: the tag is one in use.",
                           counts->allocs, counts->frees, tag.text(), counts->outstanding());
    const PoolTag reversed = tag.reversed();
    if (const auto other = counts_of(kernel, reversed, work); reversed != tag && other && other->touched())
        return fmt::format("The kernel has never met the tag '{}', but it has {} blocks of '{}'. A constant of kd has "
                           "the characters the other way round; here they stand as !poolused shows them.",
                           tag.text(), other->outstanding(), reversed.text());
    return fmt::format("The kernel has never met the tag '{}'. !poolused lists those that it has, .tag shows how a tag "
                       "is written.",
                       tag.text());
}

} // namespace poolkd::hunt
