#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"
#include "dumps/mapping_guard.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace poolkd::dumps {

/// The bytes of a file, mapped read-only and shared: nothing is copied, whatever its size, and what others write into
/// it meanwhile is seen. A file that becomes shorter gives short reads, no crash.
class ImageFile {
  public:
    /// Errors: `not_found`, `io`; `unsupported` for what is no regular file.
    static Result<std::shared_ptr<const ImageFile>> open(const std::string& path);
    /// Bytes as if they were a file: for tests and fuzzers.
    static std::shared_ptr<const ImageFile> from_bytes(ByteVector bytes, std::string name);
    ~ImageFile();
    ImageFile(const ImageFile&) = delete;
    ImageFile& operator=(const ImageFile&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
    /// All of it, in place. Bytes that the file lost since it was opened are zeros.
    [[nodiscard]] Bytes bytes() const { return bytes_; }

    /// As many bytes as the file has there now.
    std::size_t read(FileOffset offset, MutableBytes out) const;
    /// In place, fewer where the file ends. Empty for a file that is no longer intact: its bytes can only be read.
    [[nodiscard]] Bytes view(FileOffset offset, std::uint64_t size) const;

    /// False once a touch found that the file became shorter or its disk failed.
    [[nodiscard]] bool intact() const { return !guard_ || guard_->intact(); }
    /// Somebody has it open for writing, as the memory of a machine that runs; or that cannot be told.
    [[nodiscard]] bool may_have_writers() const { return may_have_writers_; }

  private:
    ImageFile() = default;

    std::string path_;
    int descriptor_ = -1;
    Bytes bytes_;
    ByteVector own_;
    std::optional<MappingGuard> guard_;
    bool may_have_writers_ = false;
};

} // namespace poolkd::dumps
