#include "symbols/pdb/file.h"

#include "symbols/pdb/llvm_error.h"

#include <llvm/DebugInfo/PDB/Native/InfoStream.h>
#include <llvm/DebugInfo/PDB/Native/PDBFile.h>
#include <llvm/Support/BinaryByteStream.h>
#include <llvm/Support/MemoryBuffer.h>

#include <filesystem>

namespace poolkd::symbols {

namespace {

constexpr std::string_view msf_magic = "Microsoft C/C++ MSF 7.00\r\n\x1a"
                                       "DS";
constexpr std::string_view old_magic = "Microsoft C/C++ program database 2.00";
constexpr std::string_view portable_magic = "BSJB";

Result<void> check_magic(llvm::StringRef bytes, const std::string& path) {
    if (bytes.starts_with(llvm::StringRef(msf_magic))) return {};
    if (bytes.starts_with(llvm::StringRef(portable_magic)))
        return fail(ErrorKind::unsupported, "{} is a portable PDB: it describes .NET code, no native symbols", path);
    if (bytes.starts_with(llvm::StringRef(old_magic)))
        return fail(ErrorKind::unsupported, "{} is a PDB of format 2.00, written by compilers before 2002", path);
    return fail(ErrorKind::malformed, "{} is no PDB: it does not start with the format's signature", path);
}

} // namespace

struct PdbFile::Native {
    llvm::BumpPtrAllocator allocator; // must outlive the file
    llvm::StringRef bytes;
    std::unique_ptr<llvm::pdb::PDBFile> file;

    Native(std::unique_ptr<llvm::MemoryBuffer> buffer, const std::string& path) : bytes(buffer->getBuffer()) {
        auto stream = std::make_unique<llvm::MemoryBufferByteStream>(std::move(buffer), llvm::endianness::little);
        file = std::make_unique<llvm::pdb::PDBFile>(path, std::move(stream), allocator);
    }
};

PdbFile::PdbFile(std::unique_ptr<Native> native, std::string path)
    : native_(std::move(native)), path_(std::move(path)) {}
PdbFile::~PdbFile() = default;

Result<std::shared_ptr<PdbFile>> PdbFile::open(const std::string& path) {
    std::error_code code;
    // Opening a pipe or a device could block.
    if (!std::filesystem::is_regular_file(path, code))
        return fail(ErrorKind::io, "{} is not a file that can be read", path);
    auto buffer = llvm::MemoryBuffer::getFile(path, false, false);
    if (!buffer) return fail(ErrorKind::io, "{} cannot be read: {}", path, buffer.getError().message());
    POOLKD_CHECK(check_magic((*buffer)->getBuffer(), path));
    return load(std::make_unique<Native>(std::move(*buffer), path), path);
}

Result<std::shared_ptr<PdbFile>> PdbFile::from_bytes(Bytes bytes, std::string name) {
    llvm::StringRef text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    POOLKD_CHECK(check_magic(text, name));
    return load(std::make_unique<Native>(llvm::MemoryBuffer::getMemBufferCopy(text, name), name), std::move(name));
}

Result<std::shared_ptr<PdbFile>> PdbFile::load(std::unique_ptr<Native> native, std::string path) {
    llvm::pdb::PDBFile& file = *native->file;
    if (auto error = file.parseFileHeaders()) return damaged(path, std::move(error));
    if (auto error = file.parseStreamData()) return damaged(path, std::move(error));
    auto info = file.getPDBInfoStream();
    if (!info) return damaged(path, info.takeError());
    std::shared_ptr<PdbFile> pdb(new PdbFile(std::move(native), std::move(path)));
    const llvm::codeview::GUID guid = info->getGuid();
    std::copy(std::begin(guid.Guid), std::end(guid.Guid), pdb->identity_.guid.begin());
    pdb->info_age_ = info->getAge();
    // DbiStreamHeader: signature, version, age.
    pdb->identity_.age = pdb->stream(dbi_stream).value<std::uint32_t>(8).value_or(pdb->info_age_);
    return pdb;
}

bool PdbFile::matches(const pe::PdbIdentity& wanted) const {
    return wanted.guid == identity_.guid && (wanted.age == identity_.age || wanted.age == info_age_);
}

PdbStream PdbFile::stream(std::uint32_t index) const {
    const llvm::pdb::PDBFile& file = *native_->file;
    if (index >= file.getNumStreams()) return {};
    auto blocks = file.getStreamBlockList(index);
    Bytes all(reinterpret_cast<const std::byte*>(native_->bytes.data()), native_->bytes.size());
    Bytes list(reinterpret_cast<const std::byte*>(blocks.data()), blocks.size() * sizeof(blocks[0]));
    return PdbStream(all, file.getBlockSize(), list, file.getStreamByteSize(index));
}

llvm::pdb::PDBFile& PdbFile::native() const {
    return *native_->file;
}

} // namespace poolkd::symbols
