#include "pe/exports.h"

#include <algorithm>
#include <utility>

namespace poolkd::pe {

namespace {

constexpr std::uint32_t header_bytes = 40; // IMAGE_EXPORT_DIRECTORY

/// The export directory, copied at once (over a link: one request), and the image for what lies outside of it.
class Area {
  public:
    Area(const Image& image, std::uint32_t rva, Bytes bytes)
        : image_(image), rva_(rva), bytes_(bytes.begin(), bytes.end()) {}

    [[nodiscard]] Result<ByteVector> read(std::uint32_t rva, std::uint32_t size) const {
        if (inside(rva) && size <= bytes_.size() - (rva - rva_)) {
            auto first = bytes_.begin() + (rva - rva_);
            return ByteVector(first, first + size);
        }
        POOLKD_TRY(Bytes bytes, image_.read(rva, size));
        return ByteVector(bytes.begin(), bytes.end());
    }

    [[nodiscard]] Result<std::string> string(std::uint32_t rva) const {
        if (inside(rva)) {
            auto first = bytes_.begin() + (rva - rva_);
            auto end = std::find(first, bytes_.end(), std::byte{0});
            if (end != bytes_.end() && end - first <= static_cast<std::ptrdiff_t>(ExportTable::max_name)) {
                std::string text;
                std::transform(first, end, std::back_inserter(text), [](std::byte b) { return static_cast<char>(b); });
                return text;
            }
        }
        return image_.read_string(rva, ExportTable::max_name);
    }

    /// A function "address" inside the directory is the address of a forwarder's text.
    [[nodiscard]] bool inside(std::uint32_t rva) const { return rva >= rva_ && rva - rva_ < bytes_.size(); }

  private:
    const Image& image_;
    std::uint32_t rva_;
    ByteVector bytes_;
};

} // namespace

Result<ExportTable> ExportTable::read(const Image& image) {
    ExportTable table;
    const DataDirectory directory = image.directory(Directory::exports);
    if (!directory.present()) return table;
    if (directory.size < header_bytes || directory.size > max_bytes)
        return fail(ErrorKind::malformed, "The export directory is said to have {} bytes", directory.size);
    POOLKD_TRY(Bytes bytes, image.read(directory.rva, directory.size));
    const Area area(image, directory.rva, bytes);
    POOLKD_TRY(ByteVector header, area.read(directory.rva, header_bytes));
    const auto name = load_or<std::uint32_t>(header, 12);
    const auto base = load_or<std::uint32_t>(header, 16);
    const auto functions = load_or<std::uint32_t>(header, 20);
    const auto names = load_or<std::uint32_t>(header, 24);
    if (functions > max_exports || names > max_exports)
        return fail(ErrorKind::malformed, "The export directory claims {} functions and {} names", functions, names);
    if (auto text = area.string(name)) table.image_name_ = std::move(*text);
    if (functions == 0) return table;
    POOLKD_TRY(ByteVector addresses, area.read(load_or<std::uint32_t>(header, 28), functions * 4));
    ByteVector name_table;
    ByteVector ordinals;
    if (names != 0) {
        POOLKD_TRY(name_table, area.read(load_or<std::uint32_t>(header, 32), names * 4));
        POOLKD_TRY(ordinals, area.read(load_or<std::uint32_t>(header, 36), names * 2));
    }

    auto add = [&](std::string text, std::uint32_t index) {
        const auto rva = load_or<std::uint32_t>(addresses, index * 4);
        if (rva == 0) return;
        Export entry{std::move(text), base + index, rva, {}};
        if (area.inside(rva)) {
            entry.rva = 0;
            entry.forwarder = area.string(rva).value_or("");
        } else if (rva >= image.size_of_image) {
            ++table.unreadable_;
            return;
        }
        table.exports_.push_back(std::move(entry));
    };
    std::vector<bool> named(functions, false);
    for (std::uint32_t i = 0; i < names; ++i) {
        const auto index = load_or<std::uint16_t>(ordinals, i * 2);
        auto text = area.string(load_or<std::uint32_t>(name_table, i * 4));
        if (index >= functions || !text) {
            ++table.unreadable_;
            continue;
        }
        named[index] = true;
        add(std::move(*text), index);
    }
    for (std::uint32_t i = 0; i < functions; ++i)
        if (!named[i]) add({}, i);
    std::ranges::sort(table.exports_, {},
                      [](const Export& e) { return std::pair(e.ordinal, std::string_view(e.name)); });
    return table;
}

const Export* ExportTable::find(std::string_view name) const {
    auto found = std::ranges::find(exports_, name, &Export::name);
    return found == exports_.end() || name.empty() ? nullptr : &*found;
}

const Export* ExportTable::at(std::uint32_t rva) const {
    auto found = std::ranges::find_if(exports_, [&](const Export& e) { return e.forwarder.empty() && e.rva == rva; });
    return found == exports_.end() ? nullptr : &*found;
}

} // namespace poolkd::pe
