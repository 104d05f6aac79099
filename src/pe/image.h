#pragma once

#include "pe/byte_reader.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace poolkd::pe {

enum class ImageLayout {
    memory, ///< as the loader lays it out: offset = RVA
    file,   ///< as it lies on disk
};

struct Section {
    std::string name; ///< at most 8 characters
    std::uint32_t rva = 0;
    std::uint32_t virtual_size = 0; ///< bytes; old linkers write 0 here, then the size in the file counts
    std::uint32_t file_offset = 0;
    std::uint32_t file_size = 0;
    std::uint32_t characteristics = 0; ///< IMAGE_SCN_*

    [[nodiscard]] std::uint32_t size() const { return virtual_size ? virtual_size : file_size; }
    [[nodiscard]] bool contains(std::uint32_t address) const { return address >= rva && address - rva < size(); }
    /// Holds code: marked as executable or as code.
    [[nodiscard]] bool is_code() const { return (characteristics & 0x20000020u) != 0; }
    [[nodiscard]] bool is_writable() const { return (characteristics & 0x80000000u) != 0; }
    /// The kernel frees its pages once the driver has started (INIT).
    [[nodiscard]] bool is_discardable() const { return (characteristics & 0x02000000u) != 0; }
};

struct DataDirectory {
    std::uint32_t rva = 0;
    std::uint32_t size = 0; ///< bytes

    [[nodiscard]] bool present() const { return rva != 0 && size != 0; }
};

/// Numbers of the data directories (PE format, "Optional Header Data Directories").
enum class Directory : std::uint8_t {
    exports = 0,
    imports = 1,
    resources = 2,
    exception = 3,
    security = 4,
    relocations = 5,
    debug = 6,
    load_config = 10,
    import_addresses = 12,
    delay_imports = 13,
};

/// The headers of a PE32 or PE32+ image. Everything in them is checked before it is used: they may come from a
/// damaged file or from a target that is being attacked.
class Image {
  public:
    /// Reads the headers. `reader` must outlive the image. Errors: `malformed` with what is wrong; whatever the
    /// reader fails with.
    static Result<Image> open(ByteReader& reader, ImageLayout layout);

    std::uint16_t machine = 0; ///< IMAGE_FILE_MACHINE_*
    std::uint32_t timestamp = 0;
    std::uint32_t checksum = 0;
    std::uint32_t size_of_image = 0;
    std::uint32_t size_of_headers = 0;
    std::uint32_t entry_point = 0; ///< RVA
    std::uint32_t section_alignment = 0;
    std::uint64_t preferred_base = 0;
    std::uint16_t subsystem = 0;
    bool is_64 = false; ///< PE32+

    [[nodiscard]] std::span<const Section> sections() const { return sections_; }
    [[nodiscard]] const Section* section_at(std::uint32_t rva) const;
    /// Not present: zero. A directory that reaches outside the image counts as not present.
    [[nodiscard]] DataDirectory directory(Directory number) const;
    [[nodiscard]] ImageLayout layout() const { return layout_; }

    /// Bytes by RVA, in either layout. In a file the range must lie in the headers or inside one section's data.
    [[nodiscard]] Result<Bytes> read(std::uint32_t rva, std::uint32_t size) const;
    /// A string up to its NUL, at most `limit` bytes; longer ones are an error.
    [[nodiscard]] Result<std::string> read_string(std::uint32_t rva, std::uint32_t limit) const;
    /// Bytes by file offset; only in the file layout.
    [[nodiscard]] Result<Bytes> read_file(std::uint32_t offset, std::uint32_t size) const;

    static constexpr std::uint16_t max_sections = 96; ///< the limit of the format
    static constexpr std::uint32_t max_header_offset = 1u << 20;

  private:
    Image(ByteReader& reader, ImageLayout layout) : reader_(&reader), layout_(layout) {}
    Result<void> read_optional_header(std::uint32_t offset, std::uint16_t size);
    Result<void> read_sections(std::uint32_t offset, std::uint16_t count);

    ByteReader* reader_;
    ImageLayout layout_;
    std::vector<Section> sections_;
    std::array<DataDirectory, 16> directories_{};
};

} // namespace poolkd::pe
