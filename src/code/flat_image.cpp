#include "code/flat_image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace poolkd::code {

namespace {

/// What no code refers to: not read over a link, and not copied.
bool is_useless(const pe::Image& headers, const pe::Section& section) {
    const bool by_name = section.name == ".rsrc" || section.name == ".reloc" || section.name.starts_with("/") ||
                         section.name.starts_with(".debug");
    constexpr pe::Directory tables[] = {pe::Directory::exports,       pe::Directory::imports,
                                        pe::Directory::exception,     pe::Directory::load_config,
                                        pe::Directory::delay_imports, pe::Directory::import_addresses};
    return by_name && !section.is_code() && std::ranges::none_of(tables, [&](pe::Directory number) {
               const pe::DataDirectory table = headers.directory(number);
               return table.present() && section.contains(table.rva);
           });
}

} // namespace

void FlatImage::Free::operator()(std::byte* p) const {
    std::free(p);
}

Result<FlatImage> FlatImage::empty(std::uint32_t size) {
    if (size == 0 || size > max_size)
        return fail(ErrorKind::malformed, "An image of {:#x} bytes is not credible", size);
    FlatImage image;
    // calloc and not a vector: pages that stay empty cost nothing.
    image.bytes_.reset(static_cast<std::byte*>(std::calloc(size, 1)));
    if (!image.bytes_) return fail(ErrorKind::io, "Out of memory for an image of {} bytes", size);
    image.size_ = size;
    image.valid_.assign((size + page - 1) / page, false);
    return image;
}

void FlatImage::mark(std::uint32_t rva, std::uint32_t size) {
    if (size == 0) return;
    const std::uint32_t first = rva / page, last = (rva + size - 1) / page;
    for (std::uint32_t i = first; i <= last && i < valid_.size(); ++i)
        valid_[i] = true;
}

Result<FlatImage> FlatImage::of_file(Bytes file) {
    pe::SpanReader reader(file);
    POOLKD_TRY(pe::Image headers, pe::Image::open(reader, pe::ImageLayout::file));
    POOLKD_TRY(FlatImage image, empty(headers.size_of_image));
    const auto head = static_cast<std::uint32_t>(
        std::min<std::size_t>({headers.size_of_headers, file.size(), headers.size_of_image}));
    std::copy_n(file.begin(), head, image.bytes_.get());
    image.mark(0, head);
    for (const pe::Section& section : headers.sections()) {
        if (section.rva >= image.size_ || is_useless(headers, section)) continue;
        const std::uint32_t room = std::min(section.size(), image.size_ - section.rva);
        const std::uint32_t wanted = std::min(section.file_size, room);
        const std::uint32_t there =
            section.file_offset >= file.size()
                ? 0
                : static_cast<std::uint32_t>(std::min<std::size_t>(wanted, file.size() - section.file_offset));
        if (there != 0) std::memcpy(image.bytes_.get() + section.rva, file.data() + section.file_offset, there);
        if (there == wanted) {
            image.mark(section.rva, room);
        } else {
            // A file that was cut off: whole pages count.
            image.mark(section.rva, there / page * page);
            image.coverage_.add_gap(GapReason::not_in_image, VirtAddr(section.rva + there), wanted - there);
        }
    }
    return image;
}

Result<FlatImage> FlatImage::of_module(nt::Kernel& kernel, const nt::Module& module, Work& work, Part part) {
    POOLKD_TRY(FlatImage image, empty(module.size));
    auto take = [&](std::uint32_t rva, std::uint32_t size, bool thrown_away = false) {
        constexpr std::uint32_t block = 0x40000;
        for (std::uint32_t done = 0; done < size; done += block) {
            const std::uint32_t count = std::min(block, size - done);
            const VirtAddr from = module.base + rva + done;
            auto read = memory::read_sparse(kernel.memory(), from, count, page, &work);
            std::ranges::copy(read.value, image.bytes_.get() + rva + done);
            std::vector<bool> missing((count + page - 1) / page, false);
            for (const Gap& gap : read.coverage.gaps())
                for (std::uint64_t at = (gap.first - from) / page; at * page < gap.first - from + gap.bytes; ++at)
                    if (at < missing.size()) missing[at] = true;
            for (std::size_t i = 0; i < missing.size(); ++i)
                if (!missing[i]) image.mark(rva + done + static_cast<std::uint32_t>(i) * page, 1);
            // Where code was thrown away after the start (INIT), nothing is missing: nobody runs it any more.
            const bool broke_off = std::ranges::any_of(read.coverage.gaps(), [](const Gap& gap) {
                return gap.reason == GapReason::link_lost || gap.reason == GapReason::stopped;
            });
            if (thrown_away && !broke_off)
                image.coverage_.add_read(read.coverage.read());
            else
                image.coverage_.merge(read.coverage);
            work.progress("Reading code", rva + done, module.size);
        }
    };
    take(0, std::min<std::uint32_t>(page, module.size));
    for (const Gap& gap : image.coverage_.gaps())
        if (gap.reason == GapReason::link_lost) return fail(ErrorKind::link, "The connection to the target was lost");
    POOLKD_TRY(pe::Image headers, pe::Image::open(image, pe::ImageLayout::memory));
    for (const pe::Section& section : headers.sections()) {
        if (section.rva >= image.size_ || is_useless(headers, section)) continue;
        if (part == Part::state && (!section.is_writable() || section.is_discardable())) continue;
        take(section.rva, std::min(section.size(), image.size_ - section.rva), section.is_discardable());
    }
    if (const pe::DataDirectory slots = headers.directory(pe::Directory::import_addresses);
        part == Part::state && slots.present() && slots.rva < image.size_) {
        const std::uint32_t first = slots.rva / page * page; // whole pages: they count as there
        take(first, std::min(slots.rva - first + slots.size, image.size_ - first));
    }
    return image;
}

Result<Bytes> FlatImage::bytes(std::uint32_t rva, std::uint32_t size) {
    if (rva > size_ || size > size_ - rva)
        return fail(ErrorKind::malformed, "{:#x} bytes at {:#x} reach outside the image", size, rva);
    Bytes found = at(rva, size);
    if (found.size() != size) return fail(ErrorKind::unreadable, "{:#x} bytes at RVA {:#x} are not there", size, rva);
    return found;
}

Bytes FlatImage::at(std::uint32_t rva, std::uint32_t size) const {
    Bytes found = from(rva, size);
    return found.size() == size ? found : Bytes{};
}

Bytes FlatImage::from(std::uint32_t rva, std::uint32_t limit) const {
    if (rva >= size_) return {};
    const std::uint32_t end = rva + std::min(limit, size_ - rva);
    std::uint32_t good = rva;
    while (good < end && valid_[good / page])
        good = std::min(end, (good / page + 1) * page);
    return {bytes_.get() + rva, good - rva};
}

} // namespace poolkd::code
