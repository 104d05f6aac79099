#pragma once

#include "base/error.h"
#include "dumps/facts.h"
#include "dumps/image_coverage.h"
#include "dumps/image_file.h"
#include "dumps/image_memory.h"
#include "dumps/triage.h"

#include <memory>
#include <optional>
#include <string>

namespace poolkd::dumps {

/// An image of a machine's memory: a crash dump, a core, a raw image.
struct MemoryImage {
    std::shared_ptr<const ImageFile> file; ///< the one with the memory
    ImageFacts facts;
    ImageCoverage coverage;
    std::unique_ptr<ImageMemory> physical; ///< null when it holds no physical memory (header only, triage)
    std::unique_ptr<ImagePieces> pieces;   ///< virtual memory by address; null when it holds none (all but triage)
    std::optional<TriageRecords> triage;
    bool assumed_offsets = false; ///< nothing says whether the file's offsets are addresses
    bool changing = false;        ///< the memory of a machine that may be running: nothing read may be kept
};

struct OpenOptions {
    /// A raw copy of a virtual machine's RAM: where its low part ends, the rest of the file being memory from 4 GiB on.
    /// 0: the file's offsets are physical addresses.
    std::uint64_t low_memory_end = 0;
};

/// Opens whatever format the file has (see formats.cpp). Costs the headers and bitmaps, not the memory. Errors:
/// `not_found`, `io`; `unsupported` for files that are recognised but hold no memory that can be read as it is, with
/// what to do instead; `malformed`.
Result<MemoryImage> open_image(const std::string& path, const OpenOptions& options = {});
Result<MemoryImage> open_image(std::shared_ptr<const ImageFile> file, const OpenOptions& options = {});

} // namespace poolkd::dumps
