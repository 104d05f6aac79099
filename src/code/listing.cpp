#include "code/listing.h"

#include "base/text.h"
#include "code/code_window.h"
#include "code/decoder.h"
#include "code/namer.h"
#include "code/unwind_tables.h"

#include <algorithm>
#include <map>

namespace poolkd::code {

namespace {

/// Sets the label of each row at which another symbol begins.
class Labeller {
  public:
    explicit Labeller(nt::Kernel& kernel) : kernel_(kernel) {}

    std::string label(VirtAddr address) {
        nt::SymbolAt here = kernel_.modules().at(address);
        std::string text = here.text();
        if (text.empty()) return {};
        VirtAddr start = address - here.displacement;
        if (any_ && start == start_) return {};
        any_ = true;
        start_ = start;
        return text;
    }

  private:
    nt::Kernel& kernel_;
    bool any_ = false;
    VirtAddr start_;
};

/// The instructions from `start` that end exactly at `end`, at most the last `keep`; nothing when the stream does not
/// fit or meets bytes that are no instruction.
std::optional<std::vector<Instruction>> stream(const Machine& machine, CodeWindow& code, VirtAddr start, VirtAddr end,
                                               std::size_t keep, const AddressNamer& name) {
    // Text is made only for what is kept: first the boundaries, then the rows.
    std::vector<VirtAddr> starts;
    VirtAddr at = start;
    while (at < end) {
        auto instruction = decode(machine, code.at(at), at);
        if (!instruction) return std::nullopt;
        starts.push_back(at);
        at = instruction->next();
    }
    if (at != end) return std::nullopt;
    std::vector<Instruction> out;
    for (std::size_t i = starts.size() > keep ? starts.size() - keep : 0; i < starts.size(); ++i)
        if (auto instruction = decode(machine, code.at(starts[i]), starts[i], name))
            out.push_back(std::move(*instruction));
    return out;
}

/// Where the code that holds `address` begins, by unwind tables and symbols: the nearest start at or below it.
std::optional<VirtAddr> start_of_code(nt::Kernel& kernel, VirtAddr address) {
    nt::Module* module = kernel.modules().containing(address);
    if (!module) return std::nullopt;
    auto rva = static_cast<std::uint32_t>(address - module->base);
    std::optional<std::uint32_t> best;
    if (auto tables = UnwindTables::open(*module->image))
        if (auto entry = tables->at_or_below(rva); entry && *entry) best = (*entry)->begin;
    if (symbols::ModuleSymbols* symbols = kernel.modules().symbols(*module))
        if (auto symbol = symbols->nearest(rva); symbol && symbol->is_code && symbol->rva <= rva)
            best = std::max(best.value_or(0), symbol->rva);
    if (!best) return std::nullopt;
    return module->base + *best;
}

/// What compilers hardly ever write but misread code is full of.
bool is_odd(const Instruction& instruction) {
    static constexpr std::string_view odd[] = {"in",    "out",    "insb",  "insd",  "outsb", "outsd", "hlt",   "cli",
                                               "sti",   "enter",  "xlat",  "cmc",   "stc",   "clc",   "std",   "loop",
                                               "loope", "loopne", "jrcxz", "jecxz", "sahf",  "lahf",  "fwait", "into"};
    bool zeros = instruction.raw[0] == std::byte{0} && instruction.raw[1] == std::byte{0};
    return zeros || std::ranges::find(odd, instruction.mnemonic) != std::end(odd);
}

/// Code of x86 and x64 falls into step by itself after a few instructions: of the streams begun at every byte of a
/// stretch before `end`, the one that most of them run into is the likeliest, unless it reads like no compiler's code.
std::vector<Instruction> agreed_stream(const Machine& machine, CodeWindow& code, VirtAddr end, std::size_t count,
                                       const AddressNamer& name) {
    constexpr std::uint64_t spread = 32;
    constexpr int cost_of_odd = 64; // more than all votes that can be had
    struct Candidate {
        int score = 0;
        VirtAddr start; ///< from where decoding gives it
    };
    std::map<VirtAddr, Candidate> candidates; // by the first row that is kept
    std::size_t most = 0;
    for (std::uint64_t back = std::min(count * max_instruction_bytes + spread, end.value); back > 0; --back) {
        auto rows = stream(machine, code, end - back, end, count, {});
        if (!rows || rows->empty() || rows->size() < most) continue; // more rows are better evidence than few
        if (rows->size() > most) candidates.clear();
        most = rows->size();
        auto [at, fresh] = candidates.try_emplace(rows->front().address);
        if (fresh) at->second.score = -cost_of_odd * static_cast<int>(std::ranges::count_if(*rows, is_odd));
        ++at->second.score;
        at->second.start = end - back;
    }
    auto best = std::ranges::max_element(candidates, {}, [](const auto& one) { return one.second.score; });
    if (best == candidates.end()) return {};
    return stream(machine, code, best->second.start, end, count, name).value_or(std::vector<Instruction>{});
}

} // namespace

Answer<Listing> disassemble(nt::Kernel& kernel, memory::AddressSpace& memory, VirtAddr address,
                            const ListingOptions& options, Work* work) {
    const Machine& machine = kernel.machine();
    Answer<Listing> answer;
    answer.value.pointer_size = machine.pointer_size;
    CodeWindow code(memory, work);
    Labeller labels(kernel);
    AddressNamer name = namer_of(kernel);
    VirtAddr at = address;
    std::size_t count = std::min(options.end ? max_listing_rows : options.count, max_listing_rows);
    for (std::size_t i = 0; i < count; ++i) {
        if (options.end && at > *options.end) break;
        if (work && work->stop_requested()) {
            answer.coverage.add_gap(GapReason::stopped, at, 0);
            break;
        }
        ListingRow row{at, labels.label(at), std::nullopt, std::nullopt};
        Bytes bytes = code.at(at);
        auto instruction = decode(machine, bytes, at, name);
        if (instruction) {
            at = instruction->next();
            answer.coverage.add_read(instruction->length);
            row.instruction = std::move(*instruction);
        } else {
            if (!bytes.empty()) row.byte = bytes.front();
            at += 1;
        }
        bool hole = !row.instruction && (bytes.empty() || instruction.error().kind == ErrorKind::unreadable);
        answer.value.rows.push_back(std::move(row));
        if (!hole) continue;
        answer.coverage.add_gap(code.gap().value_or(GapReason::unmapped), at - 1, 1);
        if (!options.past_holes) {
            at = at - 1;
            break;
        }
    }
    if (options.end && answer.value.rows.size() == max_listing_rows && at <= *options.end)
        answer.coverage.add_gap(GapReason::limit_reached, at, *options.end - at + 1);
    answer.value.next = at;
    return answer;
}

Result<Answer<Listing>> disassemble_before(nt::Kernel& kernel, memory::AddressSpace& memory, VirtAddr address,
                                           std::size_t count, Work* work) {
    constexpr std::uint64_t longest_walk = 16 * 1024; // bytes that are decoded from a function's start
    count = std::min(count, max_listing_rows);
    const Machine& machine = kernel.machine();
    CodeWindow code(memory, work, 256);
    AddressNamer name = namer_of(kernel);
    std::vector<Instruction> rows;
    VirtAddr end = address;
    while (rows.size() < count && end.value != 0 && !(work && work->stop_requested())) {
        std::size_t wanted = count - rows.size();
        std::vector<Instruction> piece;
        VirtAddr piece_start;
        if (auto start = start_of_code(kernel, end - 1); start && *start < end && end - *start <= longest_walk) {
            piece = stream(machine, code, *start, end, wanted, name).value_or(std::vector<Instruction>{});
            piece_start = *start;
        }
        if (piece.empty()) {
            piece = agreed_stream(machine, code, end, std::min<std::size_t>(wanted, 256), name);
            if (piece.empty()) break;
            piece_start = piece.front().address;
        }
        rows.insert(rows.begin(), piece.begin(), piece.end());
        end = piece_start;
    }
    if (rows.empty())
        return fail_at(address, code.gap() ? ErrorKind::unreadable : ErrorKind::not_found,
                       fmt::format("No instructions can be found that end at {}",
                                   format_address(address.value, machine.pointer_size)));
    Answer<Listing> answer;
    answer.value.pointer_size = machine.pointer_size;
    Labeller labels(kernel);
    for (Instruction& instruction : rows) {
        answer.coverage.add_read(instruction.length);
        VirtAddr at = instruction.address;
        answer.value.rows.push_back({at, labels.label(at), std::move(instruction), std::nullopt});
    }
    if (rows.size() < count)
        answer.coverage.add_gap(
            work && work->stop_requested() ? GapReason::stopped : code.gap().value_or(GapReason::malformed), end, 0);
    answer.value.next = address;
    return answer;
}

} // namespace poolkd::code
