#include "code/function.h"

#include "code/code_window.h"
#include "code/decoder.h"
#include "code/namer.h"
#include "code/unwind_tables.h"

#include <map>
#include <optional>
#include <set>

namespace poolkd::code {

namespace {

class Analysis {
  public:
    Analysis(nt::Kernel& kernel, memory::AddressSpace& memory, VirtAddr address, Work* work)
        : kernel_(kernel), work_(work), code_(memory, work, 256), name_(namer_of(kernel)) {
        answer_.value.entry = find_entry(address);
        answer_.value.pointer_size = kernel.machine().pointer_size;
    }

    Result<Answer<FunctionListing>> run() {
        VirtAddr entry = answer_.value.entry;
        if (auto first = decode(kernel_.machine(), code_.at(entry), entry); !first)
            return std::unexpected(std::move(first).error());
        add_target(entry);
        while (!todo_.empty()) {
            VirtAddr next = todo_.back();
            todo_.pop_back();
            if (!follow(next)) break;
        }
        build_blocks();
        return std::move(answer_);
    }

  private:
    VirtAddr find_entry(VirtAddr address) {
        module_ = kernel_.modules().containing(address);
        if (!module_) return address;
        auto rva = static_cast<std::uint32_t>(address - module_->base);
        if (auto tables = UnwindTables::open(*module_->image)) {
            tables_ = *tables;
            if (auto function = tables_->find(rva); function && *function)
                if (auto primary = tables_->primary(**function)) {
                    primary_ = *primary;
                    return module_->base + primary->begin;
                }
        }
        if (symbols::ModuleSymbols* symbols = kernel_.modules().symbols(*module_))
            if (auto symbol = symbols->nearest(rva); symbol && symbol->is_code) {
                symbol_ = symbol->rva;
                return module_->base + symbol->rva;
            }
        return address;
    }

    /// Whether an address that a jump or the flow of control reaches is code of this function.
    bool belongs(VirtAddr address) {
        if (!module_ || !module_->contains(address)) return !module_ && near_entry(address);
        auto rva = static_cast<std::uint32_t>(address - module_->base);
        if (tables_) {
            auto function = tables_->find(rva);
            if (function && *function) {
                auto primary = tables_->primary(**function);
                return primary && primary_ && *primary == *primary_;
            }
            if (primary_) return false;
        }
        if (symbols::ModuleSymbols* symbols = kernel_.modules().symbols(*module_))
            if (auto symbol = symbols->nearest(rva); symbol && symbol->is_code && symbol_)
                return symbol->rva == *symbol_;
        return near_entry(address);
    }

    /// Without any knowledge of where functions end, only what lies close is followed.
    bool near_entry(VirtAddr address) {
        constexpr std::uint64_t near = 4096;
        return address - answer_.value.entry < near;
    }

    void add_target(VirtAddr address) {
        leaders_.insert(address);
        todo_.push_back(address);
    }

    /// Decodes until the flow ends or meets known code; false when the bound is reached or the user stops.
    bool follow(VirtAddr at) {
        while (!seen_.contains(at)) {
            if (seen_.size() >= max_function_instructions || (work_ && work_->stop_requested())) {
                bool stopped = work_ && work_->stop_requested();
                answer_.coverage.add_gap(stopped ? GapReason::stopped : GapReason::limit_reached, at, 0);
                return false;
            }
            auto instruction = decode(kernel_.machine(), code_.at(at), at, name_);
            if (!instruction) {
                bool unreadable = instruction.error().kind == ErrorKind::unreadable;
                answer_.coverage.add_gap(unreadable ? code_.gap().value_or(GapReason::unmapped) : GapReason::malformed,
                                         at, 1);
                return true;
            }
            answer_.coverage.add_read(instruction->length);
            VirtAddr next = instruction->next();
            InstructionKind kind = instruction->kind;
            std::optional<VirtAddr> target = instruction->target;
            // An import slot is another function; any other indirect jump may lead back here.
            bool tail_jump = instruction->slot.has_value() || instruction->raw[0] == std::byte{0x48};
            seen_.emplace(at, std::move(*instruction));
            bool jump = kind == InstructionKind::jump || kind == InstructionKind::conditional_jump;
            if (jump && target && belongs(*target)) add_target(*target);
            if (kind == InstructionKind::jump && !target && !tail_jump) answer_.value.indirect_jumps = true;
            if (kind == InstructionKind::jump || kind == InstructionKind::ret) return true;
            if (!belongs(next)) return true;
            if (kind == InstructionKind::conditional_jump) leaders_.insert(next);
            at = next;
        }
        return true;
    }

    void build_blocks() {
        answer_.value.instructions = seen_.size();
        std::optional<VirtAddr> expected;
        for (auto& [address, instruction] : seen_) {
            // Two readings of the same bytes (a jump into an instruction) become blocks of their own.
            if (!expected || address != *expected || leaders_.contains(address))
                answer_.value.blocks.push_back({name_(address), {}});
            expected = instruction.next();
            answer_.value.blocks.back().instructions.push_back(std::move(instruction));
        }
    }

    nt::Kernel& kernel_;
    Work* work_;
    CodeWindow code_;
    AddressNamer name_;
    nt::Module* module_ = nullptr;
    std::optional<UnwindTables> tables_;
    std::optional<RuntimeFunction> primary_;
    std::optional<std::uint32_t> symbol_; ///< RVA, when symbols alone tell where the function begins
    std::map<VirtAddr, Instruction> seen_;
    std::set<VirtAddr> leaders_;
    std::vector<VirtAddr> todo_;
    Answer<FunctionListing> answer_;
};

} // namespace

Result<Answer<FunctionListing>> analyse_function(nt::Kernel& kernel, memory::AddressSpace& memory, VirtAddr address,
                                                 Work* work) {
    return Analysis(kernel, memory, address, work).run();
}

} // namespace poolkd::code
