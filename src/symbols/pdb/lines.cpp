#include "symbols/pdb/lines.h"

#include "symbols/pdb/llvm_error.h"

#include <llvm/DebugInfo/CodeView/DebugChecksumsSubsection.h>
#include <llvm/DebugInfo/CodeView/DebugLinesSubsection.h>
#include <llvm/DebugInfo/CodeView/DebugSubsectionRecord.h>
#include <llvm/DebugInfo/CodeView/Line.h>
#include <llvm/DebugInfo/PDB/Native/PDBFile.h>
#include <llvm/DebugInfo/PDB/Native/PDBStringTable.h>
#include <llvm/Support/BinaryByteStream.h>
#include <llvm/Support/BinaryStreamReader.h>

namespace poolkd::symbols {

namespace cv = llvm::codeview;

namespace {

struct FoundLine {
    std::uint32_t file = 0; ///< offset in the checksums subsection
    std::uint32_t line = 0;
    std::uint32_t start = 0; ///< offset in the section
};

/// Numbers that mean "no line": code of the compiler's own making.
bool is_hidden(const cv::LineInfo& line) {
    return line.isAlwaysStepInto() || line.isNeverStepInto();
}

void search(const cv::DebugSubsectionRecord& record, SegmentOffset place, std::optional<FoundLine>& best) {
    cv::DebugLinesSubsectionRef lines;
    if (auto error = lines.initialize(llvm::BinaryStreamReader(record.getRecordData()))) {
        take_message(std::move(error));
        return;
    }
    const std::uint32_t start = lines.header()->RelocOffset;
    if (lines.header()->RelocSegment != place.segment || place.offset < start ||
        place.offset - start >= lines.header()->CodeSize)
        return;
    for (const cv::LineColumnEntry& block : lines)
        for (const cv::LineNumberEntry& entry : block.LineNumbers) {
            const std::uint32_t at = start + entry.Offset;
            const cv::LineInfo line(entry.Flags);
            if (at > place.offset || is_hidden(line) || (best && at < best->start)) continue;
            best = FoundLine{block.NameIndex, line.getStartLine(), at};
        }
}

std::string file_name(const PdbFile& file, const cv::DebugSubsectionRecord& checksums, std::uint32_t offset) {
    cv::DebugChecksumsSubsectionRef table;
    if (auto error = table.initialize(llvm::BinaryStreamReader(checksums.getRecordData()))) {
        take_message(std::move(error));
        return {};
    }
    if (offset >= checksums.getRecordData().getLength()) return {};
    auto entry = table.getArray().at(offset);
    if (entry == table.getArray().end()) return {};
    auto strings = file.native().getStringTable();
    if (!strings) {
        take_message(strings.takeError());
        return {};
    }
    auto name = strings->getStringForID(entry->FileNameOffset);
    if (name) return name->str();
    take_message(name.takeError());
    return {};
}

} // namespace

std::optional<SourceLine> find_line(const PdbFile& file, Dbi& dbi, SegmentOffset place) {
    const Contribution* contribution = dbi.contribution_at(place);
    if (!contribution) return std::nullopt;
    const Compiland& from = dbi.compilands()[contribution->compiland];
    if (from.line_bytes == 0) return std::nullopt;
    ByteVector scratch;
    Bytes bytes =
        file.stream(from.stream).read(std::uint64_t{from.symbol_bytes} + from.old_line_bytes, from.line_bytes, scratch);
    if (bytes.empty()) return std::nullopt;
    llvm::BinaryByteStream stream(
        llvm::ArrayRef<std::uint8_t>(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()),
        llvm::endianness::little);
    cv::DebugSubsectionArray subsections;
    llvm::BinaryStreamReader reader(stream);
    if (auto error = reader.readArray(subsections, from.line_bytes)) {
        take_message(std::move(error));
        return std::nullopt;
    }
    std::optional<FoundLine> found;
    std::optional<cv::DebugSubsectionRecord> checksums;
    for (const cv::DebugSubsectionRecord& record : subsections) {
        if (record.kind() == cv::DebugSubsectionKind::Lines) search(record, place, found);
        if (record.kind() == cv::DebugSubsectionKind::FileChecksums) checksums = record;
    }
    if (!found || !checksums) return std::nullopt;
    std::string name = file_name(file, *checksums, found->file);
    if (name.empty()) return std::nullopt;
    return SourceLine{std::move(name), found->line, place.offset - found->start};
}

} // namespace poolkd::symbols
