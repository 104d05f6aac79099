#include "pe/imports.h"

#include <algorithm>

namespace poolkd::pe {

namespace {

constexpr std::uint32_t descriptor_bytes = 20; // IMAGE_IMPORT_DESCRIPTOR
constexpr std::uint32_t delayed_bytes = 32;    // IMAGE_DELAYLOAD_DESCRIPTOR

} // namespace

struct ImportTable::Descriptor {
    std::uint32_t name = 0;
    std::uint32_t lookups = 0;
    std::uint32_t slots = 0;
    std::uint64_t bias = 0; ///< taken from the addresses of names: old delay tables hold addresses instead of RVAs
    bool delayed = false;
};

ImportTable ImportTable::read(const Image& image) {
    ImportTable table;
    table.read_descriptors(image);
    table.read_delayed(image);
    return table;
}

const Import* ImportTable::at(std::uint32_t slot) const {
    auto found = std::ranges::find(imports_, slot, &Import::slot);
    return found == imports_.end() ? nullptr : &*found;
}

void ImportTable::read_descriptors(const Image& image) {
    const DataDirectory directory = image.directory(Directory::imports);
    if (!directory.present()) return;
    // The table ends with a descriptor of zeros; the directory's size is not to be relied on.
    for (std::size_t i = 0; i < max_modules; ++i) {
        auto bytes = image.read(directory.rva + static_cast<std::uint32_t>(i) * descriptor_bytes, descriptor_bytes);
        if (!bytes) {
            ++unreadable_;
            return;
        }
        Descriptor descriptor;
        descriptor.lookups = load_or<std::uint32_t>(*bytes, 0);
        descriptor.name = load_or<std::uint32_t>(*bytes, 12);
        descriptor.slots = load_or<std::uint32_t>(*bytes, 16);
        if (descriptor.name == 0 || descriptor.slots == 0) return;
        read_module(image, descriptor);
    }
}

void ImportTable::read_delayed(const Image& image) {
    const DataDirectory directory = image.directory(Directory::delay_imports);
    if (!directory.present()) return;
    for (std::size_t i = 0; i < max_modules; ++i) {
        auto bytes = image.read(directory.rva + static_cast<std::uint32_t>(i) * delayed_bytes, delayed_bytes);
        if (!bytes) {
            ++unreadable_;
            return;
        }
        const bool by_rva = (load_or<std::uint32_t>(*bytes, 0) & 1) != 0;
        Descriptor descriptor;
        descriptor.bias = by_rva ? 0 : image.preferred_base;
        const auto bias = static_cast<std::uint32_t>(descriptor.bias);
        descriptor.name = load_or<std::uint32_t>(*bytes, 4);
        descriptor.slots = load_or<std::uint32_t>(*bytes, 12);
        descriptor.lookups = load_or<std::uint32_t>(*bytes, 16);
        descriptor.delayed = true;
        if (descriptor.name == 0 || descriptor.slots == 0) return;
        descriptor.name -= bias;
        descriptor.slots -= bias;
        if (descriptor.lookups != 0) descriptor.lookups -= bias;
        read_module(image, descriptor);
    }
}

void ImportTable::read_module(const Image& image, const Descriptor& descriptor) {
    auto module = image.read_string(descriptor.name, max_name);
    if (!module) ++unreadable_;
    std::uint32_t lookups = descriptor.lookups;
    if (lookups == 0) {
        // Then a file's slots name what belongs into them; a loaded image's hold addresses.
        if (image.layout() == ImageLayout::memory || descriptor.delayed) return;
        lookups = descriptor.slots;
    }
    const std::uint32_t width = image.is_64 ? 8 : 4;
    const std::uint64_t by_ordinal = image.is_64 ? 1ull << 63 : 1ull << 31;
    // Those whose names cannot be read count, too: many tables may be said to lie in the same place.
    for (std::uint32_t i = 0; imports_.size() + unreadable_ < max_imports; ++i) {
        auto bytes = image.read(lookups + i * width, width);
        if (!bytes) {
            ++unreadable_;
            return;
        }
        const std::uint64_t lookup = load_unsigned(*bytes, 0, width).value_or(0);
        if (lookup == 0) return;
        Import entry;
        entry.module = module.value_or("");
        entry.slot = descriptor.slots + i * width;
        entry.delayed = descriptor.delayed;
        if (entry.slot >= image.size_of_image) return;
        if (lookup & by_ordinal) {
            entry.ordinal = static_cast<std::uint16_t>(lookup);
        } else {
            // Two bytes of hint come before the name.
            auto name = image.read_string(static_cast<std::uint32_t>(lookup - descriptor.bias) + 2, max_name);
            if (!name) {
                ++unreadable_;
                continue;
            }
            entry.name = std::move(*name);
        }
        imports_.push_back(std::move(entry));
    }
}

} // namespace poolkd::pe
