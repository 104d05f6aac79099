#include "symbols/pdb/name_hash.h"

#include "symbols/pdb/llvm_error.h"

#include <llvm/DebugInfo/PDB/Native/GlobalsStream.h>
#include <llvm/DebugInfo/PDB/Native/Hash.h>
#include <llvm/DebugInfo/PDB/Native/PDBFile.h>
#include <llvm/DebugInfo/PDB/Native/PublicsStream.h>

#include <algorithm>

namespace poolkd::symbols {

namespace {

// Buckets of the table hold offsets into an array of the vendor's in-memory records, which had 12 bytes.
constexpr std::uint32_t in_memory_record_bytes = 12;

llvm::pdb::PublicsStream* publics_of(const PdbFile& file) {
    if (!file.native().hasPDBPublicsStream()) return nullptr;
    auto stream = file.native().getPDBPublicsStream();
    if (stream) return &*stream;
    take_message(stream.takeError());
    return nullptr;
}

} // namespace

std::optional<NameHash> NameHash::of_publics(const PdbFile& file) {
    llvm::pdb::PublicsStream* stream = publics_of(file);
    if (!stream || stream->getPublicsTable().HashRecords.empty()) return std::nullopt;
    return NameHash(stream->getPublicsTable());
}

std::optional<NameHash> NameHash::of_globals(const PdbFile& file) {
    if (!file.native().hasPDBGlobalsStream()) return std::nullopt;
    auto stream = file.native().getPDBGlobalsStream();
    if (!stream) {
        take_message(stream.takeError());
        return std::nullopt;
    }
    if (stream->getGlobalsTable().HashRecords.empty()) return std::nullopt;
    return NameHash(stream->getGlobalsTable());
}

std::vector<std::uint32_t> NameHash::public_address_order(const PdbFile& file) {
    std::vector<std::uint32_t> order;
    llvm::pdb::PublicsStream* stream = publics_of(file);
    if (!stream) return order;
    const auto map = stream->getAddressMap();
    order.reserve(map.size());
    for (const auto& offset : map)
        order.push_back(offset);
    return order;
}

void NameHash::candidates(std::string_view name, const std::function<void(std::uint32_t)>& visit) const {
    const std::uint32_t hash = llvm::pdb::hashStringV1(llvm::StringRef(name)) % llvm::pdb::IPHR_HASH;
    const std::int32_t bucket = table_->BucketMap[hash];
    if (bucket < 0 || static_cast<std::uint32_t>(bucket) >= table_->HashBuckets.size()) return;
    const auto index = static_cast<std::uint32_t>(bucket);
    const std::uint32_t first = table_->HashBuckets[index] / in_memory_record_bytes;
    std::uint32_t end = table_->HashRecords.size();
    if (index + 1 < table_->HashBuckets.size())
        end = std::min<std::uint32_t>(end, table_->HashBuckets[index + 1] / in_memory_record_bytes);
    for (std::uint32_t i = first; i < end; ++i)
        visit(record(i));
}

std::size_t NameHash::size() const {
    return table_->HashRecords.size();
}

std::uint32_t NameHash::record(std::size_t index) const {
    // Offsets are stored plus one.
    return table_->HashRecords[static_cast<std::uint32_t>(index)].Off - 1;
}

} // namespace poolkd::symbols
