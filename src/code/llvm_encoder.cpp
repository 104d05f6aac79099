#include "code/llvm_encoder.h"

#include <llvm/MC/MCAsmBackend.h>
#include <llvm/MC/MCAsmInfo.h>
#include <llvm/MC/MCCodeEmitter.h>
#include <llvm/MC/MCContext.h>
#include <llvm/MC/MCFixupKindInfo.h>
#include <llvm/MC/MCInst.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCObjectFileInfo.h>
#include <llvm/MC/MCParser/MCAsmParser.h>
#include <llvm/MC/MCParser/MCTargetAsmParser.h>
#include <llvm/MC/MCRegisterInfo.h>
#include <llvm/MC/MCStreamer.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/MCTargetOptions.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/SourceMgr.h>

#include <memory>
#include <mutex>
#include <vector>

// Declared here instead of by llvm/Support/TargetSelect.h, which names all targets that LLVM was built with.
extern "C" void LLVMInitializeX86TargetInfo();
extern "C" void LLVMInitializeX86TargetMC();
extern "C" void LLVMInitializeX86AsmParser();

namespace poolkd::code {

namespace {

/// Keeps what the parser emits.
class InstructionCollector final : public llvm::MCStreamer {
  public:
    explicit InstructionCollector(llvm::MCContext& context) : MCStreamer(context) {}

    std::vector<llvm::MCInst> instructions;

    void emitInstruction(const llvm::MCInst& instruction, const llvm::MCSubtargetInfo&) override {
        instructions.push_back(instruction);
    }
    bool emitSymbolAttribute(llvm::MCSymbol*, llvm::MCSymbolAttr) override { return true; }
    void emitCommonSymbol(llvm::MCSymbol*, std::uint64_t, llvm::Align) override {}
    void emitZerofill(llvm::MCSection*, llvm::MCSymbol*, std::uint64_t, llvm::Align, llvm::SMLoc) override {}
};

/// LLVM's tables for one kind of processor.
class Encoder {
  public:
    explicit Encoder(const char* triple_name) : triple_(triple_name) {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmParser();
        std::string problem;
        target_ = llvm::TargetRegistry::lookupTarget(triple_name, problem);
        registers_.reset(target_->createMCRegInfo(triple_name));
        info_.reset(target_->createMCAsmInfo(*registers_, triple_name, options_));
        instructions_.reset(target_->createMCInstrInfo());
        subtarget_.reset(target_->createMCSubtargetInfo(triple_name, "", ""));
        backend_.reset(target_->createMCAsmBackend(*subtarget_, *registers_, options_));
    }

    Result<ByteVector> encode(const std::string& text, VirtAddr address, std::optional<VirtAddr> there) {
        std::scoped_lock lock(mutex_);
        std::string problem;
        llvm::SourceMgr source;
        source.setDiagHandler(
            [](const llvm::SMDiagnostic& diagnostic, void* to) {
                auto& first = *static_cast<std::string*>(to);
                if (first.empty()) first = diagnostic.getMessage().str();
            },
            &problem);
        source.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text + "\n"), llvm::SMLoc());
        llvm::MCContext context(triple_, info_.get(), registers_.get(), subtarget_.get(), &source);
        std::unique_ptr<llvm::MCObjectFileInfo> objects(target_->createMCObjectFileInfo(context, false));
        context.setObjectFileInfo(objects.get());
        InstructionCollector collector(context);
        std::unique_ptr<llvm::MCAsmParser> parser(llvm::createMCAsmParser(source, context, collector, *info_));
        std::unique_ptr<llvm::MCTargetAsmParser> target_parser(
            target_->createMCAsmParser(*subtarget_, *parser, *instructions_, options_));
        parser->setAssemblerDialect(1); // Intel
        parser->setTargetParser(*target_parser);
        if (parser->Run(false) || collector.instructions.size() != 1)
            return fail(ErrorKind::usage, "'{}' is no instruction: {}", text,
                        problem.empty() ? "it is not understood" : problem);
        std::unique_ptr<llvm::MCCodeEmitter> emitter(target_->createMCCodeEmitter(*instructions_, context));
        return with_distance(*emitter, collector.instructions.front(), text, address, there);
    }

  private:
    /// Puts the distance where the encoding leaves room for it, and takes a longer form when the room is too small.
    Result<ByteVector> with_distance(const llvm::MCCodeEmitter& emitter, llvm::MCInst instruction,
                                     const std::string& text, VirtAddr address, std::optional<VirtAddr> there) {
        while (true) {
            llvm::SmallVector<char, 16> raw;
            llvm::SmallVector<llvm::MCFixup, 2> fixups;
            emitter.encodeInstruction(instruction, raw, fixups, *subtarget_);
            ByteVector bytes(raw.size());
            for (std::size_t i = 0; i < raw.size(); ++i)
                bytes[i] = static_cast<std::byte>(raw[i]);
            if (fixups.empty() && !there) return bytes;
            if (fixups.size() != 1 || !there)
                return fail(ErrorKind::refused, "'{}' has an operand that is not encoded as written", text);
            const unsigned size = backend_->getFixupKindInfo(fixups[0].getKind()).TargetSize / 8;
            if (size == 0 || size > 4 || fixups[0].getOffset() + size > bytes.size())
                return fail(ErrorKind::refused, "'{}' has an operand that is not encoded as written", text);
            const auto distance = static_cast<std::int64_t>(*there - (address + bytes.size()));
            const std::int64_t reach = std::int64_t{1} << (size * 8 - 1);
            if (distance >= -reach && distance < reach) {
                store_unsigned(bytes, fixups[0].getOffset(), size, static_cast<std::uint64_t>(distance));
                return bytes;
            }
            llvm::MCInst longer = instruction;
            if (size != 4 && backend_->mayNeedRelaxation(longer, *subtarget_))
                backend_->relaxInstruction(longer, *subtarget_);
            if (longer.getOpcode() == instruction.getOpcode())
                return fail(ErrorKind::refused, "{:#x} cannot be reached from {:#x} by this instruction", there->value,
                            address.value);
            instruction = longer;
        }
    }

    std::mutex mutex_;
    llvm::Triple triple_;
    llvm::MCTargetOptions options_;
    const llvm::Target* target_ = nullptr;
    std::unique_ptr<llvm::MCRegisterInfo> registers_;
    std::unique_ptr<llvm::MCAsmInfo> info_;
    std::unique_ptr<llvm::MCInstrInfo> instructions_;
    std::unique_ptr<llvm::MCSubtargetInfo> subtarget_;
    std::unique_ptr<llvm::MCAsmBackend> backend_;
};

} // namespace

Result<ByteVector> encode_with_llvm(const Machine& machine, const std::string& text, VirtAddr address,
                                    std::optional<VirtAddr> there) {
    // The tables are built when the first instruction is assembled, a few milliseconds.
    if (machine.pointer_size == 8) {
        static Encoder x64("x86_64-pc-windows-msvc");
        return x64.encode(text, address, there);
    }
    static Encoder x86("i686-pc-windows-msvc");
    return x86.encode(text, address, there);
}

} // namespace poolkd::code
