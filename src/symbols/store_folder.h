#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "symbols/store_key.h"

#include <string>
#include <utility>

namespace poolkd::symbols {

/// A file on its way into a store. It has a name that no search looks for, of this process alone, and goes when it
/// is not published: what is whole and checked appears under its final name in one step, so that any number of
/// processes may fill one store at the same time.
class StagedFile {
  public:
    StagedFile(StagedFile&& other) noexcept
        : path_(std::exchange(other.path_, {})), descriptor_(std::exchange(other.descriptor_, -1)) {}
    StagedFile& operator=(StagedFile&&) = delete;
    ~StagedFile();

    [[nodiscard]] const std::string& path() const { return path_; }
    /// Appends. Error `io`.
    Result<void> write(Bytes bytes);

  private:
    friend class StoreFolder;
    StagedFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

    std::string path_;
    int descriptor_; ///< open and locked as long as this lives: what nobody holds is a remainder
};

/// A symbol store that copies are put into. Files lie as its kind wants: under two letters when it has an index2.txt.
class StoreFolder {
  public:
    explicit StoreFolder(std::string root) : root_(std::move(root)) {}

    [[nodiscard]] const std::string& root() const { return root_; }
    /// A new empty file inside; removes what killed processes left behind. Error `io`.
    Result<StagedFile> stage() const;
    /// Gives the file its final name, in place of what is there; returns that name. Error `io`.
    Result<std::string> publish(StagedFile file, const StoreKey& key) const;
    /// Copies a file in; returns its name here. Error `io`.
    Result<std::string> copy_in(const std::string& path, const StoreKey& key) const;

  private:
    std::string root_;
};

} // namespace poolkd::symbols
