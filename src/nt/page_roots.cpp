#include "nt/page_roots.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <unordered_map>

namespace poolkd::nt {

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr PhysAddr four_gib{1ull << 32};
constexpr std::uint64_t enough_roots = 8;
constexpr std::uint64_t pae_bit = 0x20;
constexpr std::uint64_t frame_64 = 0x000ffffffffff000;
constexpr std::uint64_t present_writable = 3, not_large = 0x80;
using Words = std::array<std::uint64_t, 512>;

/// The self map stands in the upper half; since 14393 at a random place there (memory-management of x64 NT).
bool is_x64_root(const Words& page, std::uint64_t address) {
    bool names_itself = false;
    for (std::size_t i = 256; i < 512 && !names_itself; ++i)
        names_itself = (page[i] & (frame_64 | not_large | present_writable)) == (address | present_writable);
    if (!names_itself) return false;
    // Loader tables and data that do so by chance have nothing else in the upper half, or large pages at that level.
    std::size_t kernel_entries = 0;
    for (std::size_t i = 256; i < 512; ++i)
        kernel_entries += (page[i] & (not_large | present_writable)) == present_writable;
    const bool large = std::ranges::any_of(page, [](std::uint64_t entry) { return (entry & 0x81) == 0x81; });
    return kernel_entries >= 3 && !large;
}

/// Entry 300h of the directory, for the tables at c0000000.
bool is_x86_root(Bytes page, std::uint64_t address) {
    const auto entry = load_or<std::uint32_t>(page, 0xc00);
    return address >> 32 == 0 && (entry & 0xfffff083) == (address | present_writable);
}

/// The last of the four directories of PAE names all four in its first entries, itself as the fourth.
std::optional<std::array<std::uint64_t, 4>> pae_directories(const Words& page, std::uint64_t address) {
    std::array<std::uint64_t, 4> directories{};
    for (std::size_t i = 0; i < 4; ++i) {
        if ((page[i] & (not_large | present_writable)) != present_writable) return std::nullopt;
        directories[i] = page[i] & frame_64;
    }
    if (directories[3] != address) return std::nullopt;
    return directories;
}

/// Visits all pages of [at, end) that are there, holes in one step: addresses of an image may be anything. `visit`
/// returns false to end it.
template <class Visit>
void for_each_page(dumps::ImageMemory& physical, PhysAddr at, PhysAddr end, Work& work, Visit visit) {
    Words words;
    while (at < end) {
        const dumps::Piece piece = physical.placement().find(at, end - at);
        const PhysAddr piece_end = at + piece.bytes;
        at = PhysAddr((at.value + page_bytes - 1) / page_bytes * page_bytes);
        for (; piece.offset && at + page_bytes <= piece_end; at += page_bytes) {
            if (work.stop_requested()) return;
            if (at.value % (64u << 20) == 0) work.progress("Looking for page tables", at.value, end.value);
            if (physical.read(at, std::as_writable_bytes(std::span(words))).bytes < page_bytes) break;
            if (!visit(at, words)) return;
        }
        at = piece_end;
    }
}

} // namespace

PageRoots find_page_roots(dumps::ImageMemory& physical, std::size_t limit, Work& work, PhysAddr end) {
    end = std::min(end, physical.placement().end());
    PageRoots found;
    auto& roots = found.roots;
    std::unordered_multimap<std::uint64_t, std::array<std::uint64_t, 4>> directories; // by the first of them
    for_each_page(physical, PhysAddr(), end, work, [&](PhysAddr at, const Words& words) {
        // A directory of 32 bits with nothing behind its own entry looks like one of x64, too.
        if (is_x86_root(std::as_bytes(std::span(words)), at.value)) roots.push_back({&x86_machine(), at.value, 0});
        if (is_x64_root(words, at.value)) roots.push_back({&x64_machine(), at.value, pae_bit});
        if (auto four = pae_directories(words, at.value)) {
            found.limit_reached |= directories.size() == limit;
            if (directories.size() < limit) directories.emplace(four->front(), *four);
        }
        return roots.size() < limit;
    });
    // The table of four pointers that CR3 names lies anywhere below 4 GiB, aligned to 32 bytes.
    if (!directories.empty())
        for_each_page(physical, PhysAddr(), std::min(end, four_gib), work, [&](PhysAddr at, const Words& words) {
            for (std::size_t i = 0; i < words.size(); i += 4) {
                if ((words[i] & 1) == 0) continue;
                const auto [first, last] = directories.equal_range(words[i] & frame_64);
                const bool same = std::any_of(first, last, [&](const auto& entry) {
                    bool all = true;
                    for (std::size_t k = 1; k < 4 && all; ++k)
                        all = (words[i + k] & 1) != 0 && (words[i + k] & frame_64) == entry.second[k];
                    return all;
                });
                if (same) roots.push_back({&x86_machine(), at.value + i * 8, pae_bit});
            }
            return roots.size() < limit;
        });
    found.limit_reached |= roots.size() >= limit;
    return found;
}

std::vector<std::uint64_t> low_memory_ends_by_evidence(dumps::ImageMemory& as_it_lies,
                                                       std::span<const std::uint64_t> ends, Work& work) {
    const PhysAddr file_end = as_it_lies.placement().end();
    struct Candidate {
        std::uint64_t low_end = 0;
        std::uint64_t roots = 0;
    };
    std::vector<Candidate> candidates(1);
    PhysAddr first = file_end;
    for (const std::uint64_t end : ends)
        if (PhysAddr(end) < file_end) {
            candidates.push_back({end, 0});
            first = std::min(first, PhysAddr(end));
        }
    for_each_page(as_it_lies, first, file_end, work, [&](PhysAddr at, const Words& words) {
        for (Candidate& candidate : candidates) {
            if (at.value < candidate.low_end) continue;
            const std::uint64_t address = candidate.low_end ? at.value - candidate.low_end + four_gib.value : at.value;
            candidate.roots += is_x64_root(words, address) || pae_directories(words, address);
        }
        // A machine has one for each process. Once some speak for one end and none for another, the rest is not needed.
        const auto with = std::ranges::count_if(candidates, [](const Candidate& one) { return one.roots != 0; });
        return with != 1 || std::ranges::max(candidates, {}, &Candidate::roots).roots < enough_roots;
    });
    std::ranges::stable_sort(candidates, std::greater(), &Candidate::roots);
    std::vector<std::uint64_t> ordered;
    for (const Candidate& candidate : candidates)
        ordered.push_back(candidate.low_end);
    return ordered;
}

VirtAddr shared_data_address(const Machine& machine) {
    return machine.pointer_size == 8 ? VirtAddr(0xfffff78000000000) : machine.canonical(0xffdf0000);
}

bool has_shared_data(memory::AddressSpace& memory, const Machine& machine) {
    // NtProductType and NtMajorVersion: ntddk.h, the same offsets in all versions.
    const VirtAddr page = shared_data_address(machine);
    const auto product = memory::read_unsigned(memory, page + 0x264, 4);
    const auto major = memory::read_unsigned(memory, page + 0x26c, 4);
    return product && major && *product >= 1 && *product <= 3 && *major >= 5 && *major <= 10;
}

} // namespace poolkd::nt
