#include "symbols/pdb/dbi.h"

#include "symbols/pdb/llvm_error.h"

#include <llvm/DebugInfo/PDB/Native/DbiModuleList.h>
#include <llvm/DebugInfo/PDB/Native/DbiStream.h>
#include <llvm/DebugInfo/PDB/Native/PDBFile.h>
#include <llvm/DebugInfo/PDB/Native/RawConstants.h>
#include <llvm/DebugInfo/PDB/Native/RawTypes.h>

#include <algorithm>

namespace poolkd::symbols {

namespace {

constexpr std::uint32_t contributions_v60 = 0xeffe0000u + 19970605u;
constexpr std::uint32_t contributions_v2 = 0xeffe0000u + 20140516u;

ByteVector debug_stream(const PdbFile& file, const llvm::pdb::DbiStream& dbi, llvm::pdb::DbgHeaderType type) {
    const std::uint32_t index = dbi.getDebugStreamIndex(type);
    return index == llvm::pdb::kInvalidStreamIndex ? ByteVector() : file.stream(index).copy();
}

} // namespace

Result<Dbi> Dbi::load(const PdbFile& file) {
    Dbi result;
    if (file.stream(PdbFile::dbi_stream).empty()) return result;
    auto stream = file.native().getPDBDbiStream();
    if (!stream) return damaged(file.path(), stream.takeError());
    llvm::pdb::DbiStream& dbi = *stream;
    result.present_ = true;
    result.stream_ = file.stream(PdbFile::dbi_stream);
    result.machine_ = static_cast<std::uint16_t>(dbi.getMachineType());
    result.symbol_records_ = dbi.getSymRecordStreamIndex();
    using llvm::pdb::DbgHeaderType;
    result.frame_programs_ = dbi.getDebugStreamIndex(DbgHeaderType::NewFPO);
    result.fpo_ = dbi.getDebugStreamIndex(DbgHeaderType::FPO);
    result.addresses_ = AddressMap(
        debug_stream(file, dbi, DbgHeaderType::SectionHdr), debug_stream(file, dbi, DbgHeaderType::SectionHdrOrig),
        debug_stream(file, dbi, DbgHeaderType::OmapToSrc), debug_stream(file, dbi, DbgHeaderType::OmapFromSrc));
    const llvm::BinarySubstreamRef contributions = dbi.getSectionContributionData();
    result.contributions_offset_ = contributions.Offset;
    result.contributions_size_ = static_cast<std::uint32_t>(contributions.size());

    const llvm::pdb::DbiModuleList& modules = dbi.modules();
    const std::uint32_t count = modules.getModuleCount();
    result.compilands_.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const llvm::pdb::DbiModuleDescriptor module = modules.getModuleDescriptor(i);
        result.compilands_.push_back({module.getModuleStreamIndex(), module.getSymbolDebugInfoByteSize(),
                                      module.getC11LineInfoByteSize(), module.getC13LineInfoByteSize()});
    }
    // The linker's own compiland keeps a stream in some stripped files; they are marked.
    result.is_private_ = !dbi.isStripped() && std::ranges::any_of(result.compilands_, [](const Compiland& c) {
        return c.stream != llvm::pdb::kInvalidStreamIndex && c.symbol_bytes > 4;
    });
    return result;
}

std::span<const Contribution> Dbi::contributions() {
    if (contributions_) return *contributions_;
    contributions_.emplace();
    ByteVector scratch;
    Bytes bytes = stream_.read(contributions_offset_, contributions_size_, scratch);
    const auto version = load_or<std::uint32_t>(bytes, 0);
    const std::size_t entry_bytes = version == contributions_v60 ? 28 : version == contributions_v2 ? 32 : 0;
    if (entry_bytes == 0) return *contributions_;
    contributions_->reserve(bytes.size() / entry_bytes);
    for (std::size_t at = 4; at + entry_bytes <= bytes.size(); at += entry_bytes) {
        const auto segment = load_or<std::uint16_t>(bytes, at);
        const auto offset = load_or<std::uint32_t>(bytes, at + 4);
        const auto size = load_or<std::uint32_t>(bytes, at + 8);
        const auto compiland = load_or<std::uint16_t>(bytes, at + 16);
        if (size != 0 && compiland < compilands_.size())
            contributions_->push_back({{segment, offset}, compiland, size});
    }
    if (!std::ranges::is_sorted(*contributions_, {}, &Contribution::place))
        std::ranges::sort(*contributions_, {}, &Contribution::place);
    return *contributions_;
}

const Contribution* Dbi::contribution_at(SegmentOffset place) {
    auto all = contributions();
    auto after = std::ranges::upper_bound(all, place, {}, &Contribution::place);
    if (after == all.begin()) return nullptr;
    const Contribution& found = *(after - 1);
    if (found.place.segment != place.segment || place.offset - found.place.offset >= found.size) return nullptr;
    return &found;
}

} // namespace poolkd::symbols
