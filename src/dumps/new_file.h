#pragma once

#include "dumps/crash_writer.h"

#include <filesystem>

namespace poolkd::dumps {

/// A file that is there as a whole or not at all: written beside its place under another name, and renamed at the end.
/// Without `commit` nothing stays of it.
class NewFile final : public DumpOutput {
  public:
    /// Kind `refused` when there is a file of that name and it is not to be replaced; `io`.
    static Result<NewFile> create(const std::filesystem::path& path, bool replace);
    NewFile(NewFile&& other) noexcept;
    NewFile& operator=(NewFile&&) = delete;
    ~NewFile() override;

    /// Takes the room on the disk beforehand, where the file system can. Kind `io` when there is too little.
    Result<void> reserve(std::uint64_t bytes);
    Result<void> write(std::uint64_t offset, Bytes bytes) override;
    Result<void> read(std::uint64_t offset, MutableBytes out) override;
    /// Cuts what was reserved too much, and gives the file its name.
    Result<void> commit();

  private:
    NewFile() = default;
    [[nodiscard]] std::unexpected<Error> system_error(std::string_view what) const;

    std::filesystem::path path_;
    std::string temporary_; ///< empty: nothing to be removed
    int descriptor_ = -1;
    bool replace_ = false;
    std::uint64_t end_ = 0;
};

} // namespace poolkd::dumps
