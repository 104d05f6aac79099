#pragma once

#include "dumps/image.h"

#include <span>
#include <string_view>

namespace poolkd::dumps {

/// What a format is asked with.
struct FormatInput {
    std::shared_ptr<const ImageFile> file;
    OpenOptions options;

    [[nodiscard]] Bytes bytes() const { return file->bytes(); }
};

/// One format of memory images. A new one is a file that defines such a value, and a line in formats.cpp.
struct Format {
    std::string_view name;
    /// Looks at signatures and names only.
    bool (*recognises)(const FormatInput&);
    Result<MemoryImage> (*open)(const FormatInput&);
};

/// In the order in which they are asked; the first that recognises the file opens it. The last recognises any.
std::span<const Format> formats();

extern const Format crash_dump_format;
extern const Format elf_core_format;
extern const Format lime_format;
extern const Format vmware_format;
extern const Format foreign_format;
extern const Format raw_format;

} // namespace poolkd::dumps
