#pragma once

#include "base/error.h"
#include "pe/pdb_identity.h"
#include "symbols/pdb/stream.h"

#include <cstdint>
#include <memory>
#include <string>

namespace llvm::pdb {
class PDBFile;
}

namespace poolkd::symbols {

/// A PDB container: the file mapped into memory, its stream directory, its identity. LLVM reads the container.
/// Not thread-safe: LLVM builds its streams when they are first asked for.
class PdbFile {
  public:
    /// Errors: `io`; `unsupported` for portable PDBs (.NET) and those of compilers before 2002; `malformed`.
    static Result<std::shared_ptr<PdbFile>> open(const std::string& path);
    /// The same from bytes, which are copied; `name` stands for the path in messages.
    static Result<std::shared_ptr<PdbFile>> from_bytes(Bytes bytes, std::string name);
    ~PdbFile();
    PdbFile(const PdbFile&) = delete;
    PdbFile& operator=(const PdbFile&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    /// GUID and age, the age as images state it: that of the DBI stream, which tools that rewrite a PDB leave alone.
    [[nodiscard]] const pe::PdbIdentity& identity() const { return identity_; }
    /// True when an image with that identity belongs to this file.
    [[nodiscard]] bool matches(const pe::PdbIdentity& wanted) const;

    /// Streams that do not exist are empty.
    [[nodiscard]] PdbStream stream(std::uint32_t index) const;
    [[nodiscard]] llvm::pdb::PDBFile& native() const;

    static constexpr std::uint32_t type_stream = 2;
    static constexpr std::uint32_t dbi_stream = 3;

  private:
    struct Native;
    PdbFile(std::unique_ptr<Native> native, std::string path);
    static Result<std::shared_ptr<PdbFile>> load(std::unique_ptr<Native> native, std::string path);

    std::unique_ptr<Native> native_;
    std::string path_;
    pe::PdbIdentity identity_;
    std::uint32_t info_age_ = 0;
};

} // namespace poolkd::symbols
