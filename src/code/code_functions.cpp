#include "code/code_functions.h"

#include "code/decoder.h"
#include "code/unwind_info.h"

#include <algorithm>
#include <cstring>

namespace poolkd::code {

namespace {

bool matches(Bytes bytes, std::initializer_list<unsigned> pattern) {
    if (bytes.size() < pattern.size()) return false;
    return std::ranges::equal(bytes.first(pattern.size()), pattern, {},
                              [](std::byte b) { return std::to_integer<unsigned>(b); });
}

/// How compilers for x86 begin a function: push ebp; mov ebp,esp, perhaps behind mov edi,edi.
bool looks_like_prolog(Bytes bytes) {
    return matches(bytes, {0x8b, 0xff, 0x55, 0x8b, 0xec}) || matches(bytes, {0x55, 0x8b, 0xec}) ||
           matches(bytes, {0x55, 0x89, 0xe5});
}

constexpr std::uint32_t bytes_of_effort = 16; // that are looked through in the time of one instruction

bool is_filler(std::byte b) {
    return b == std::byte{0xcc} || b == std::byte{0x90};
}

} // namespace

CodeFunctions::CodeFunctions(const FlatImage& image, const pe::Image& headers, const pe::ExportTable& exports,
                             const Machine& machine, std::uint64_t base, std::span<const Extent> code,
                             const CodeReferences& references)
    : image_(image), machine_(machine), base_(base), code_(code.begin(), code.end()), references_(references) {
    if (machine.pointer_size == 8) read_tables(headers);
    find_begins(headers, exports);
}

void CodeFunctions::keep(std::vector<std::uint32_t>& list, std::uint32_t rva) {
    if (list.size() < max_kept)
        list.push_back(rva);
    else
        cut_ = true;
}

std::uint32_t CodeFunctions::primary_of(std::uint32_t begin, std::uint32_t unwind, bool& inside_frame) const {
    constexpr int max_chain = 32;
    for (int i = 0; i < max_chain; ++i) {
        if (unwind & 1) {
            const auto other = parse_runtime_function(image_.at(unwind & ~1u, runtime_function_bytes));
            if (!other) return begin;
            begin = other->begin;
            unwind = other->unwind;
            continue;
        }
        const Bytes head = image_.at(unwind, 4);
        if (head.size() != 4) return begin;
        const auto flags = std::to_integer<unsigned>(head[0]) >> 3;
        const auto prolog = std::to_integer<unsigned>(head[1]);
        const auto codes = std::to_integer<unsigned>(head[2]);
        if (!(flags & UnwindInfo::flag_chained)) {
            // A frame without instructions that make it: control comes from inside another function.
            inside_frame = i == 0 && prolog == 0 && codes != 0;
            return begin;
        }
        const std::uint32_t next = unwind + 4 + (codes + 1) / 2 * 4;
        const auto other = parse_runtime_function(image_.at(next, runtime_function_bytes));
        if (!other) return begin;
        begin = other->begin;
        unwind = other->unwind;
    }
    return begin;
}

void CodeFunctions::read_tables(const pe::Image& headers) {
    const pe::DataDirectory directory = headers.directory(pe::Directory::exception);
    if (!directory.present()) return;
    const Bytes table = image_.from(directory.rva, directory.size);
    std::vector<std::uint32_t> fragments;
    for (std::size_t at = 0; at + runtime_function_bytes <= table.size(); at += runtime_function_bytes) {
        const auto entry = parse_runtime_function(table.subspan(at));
        if (!entry || entry->begin >= entry->end || entry->end > image_.size()) continue;
        if (pieces_.size() >= max_kept) {
            cut_ = true;
            break;
        }
        bool inside_frame = false;
        const std::uint32_t primary = primary_of(entry->begin, entry->unwind, inside_frame);
        pieces_.push_back({{entry->begin, entry->end}, primary});
        if (inside_frame) fragments.push_back(entry->begin);
    }
    // Sorted as it should be, but who knows; of pieces that overlap the first one counts.
    std::ranges::stable_sort(pieces_, {}, [](const Piece& p) { return p.extent.begin; });
    std::uint32_t end = 0;
    std::erase_if(pieces_, [&](const Piece& p) {
        if (p.extent.begin < end) return true;
        end = p.extent.end;
        return false;
    });
    std::ranges::sort(fragments);
    adopt_fragments(fragments);
    by_primary_ = pieces_;
    std::ranges::stable_sort(by_primary_, {}, &Piece::primary);
}

void CodeFunctions::adopt_fragments(std::span<const std::uint32_t> fragments) {
    if (fragments.empty()) return;
    auto is_fragment = [&](std::uint32_t rva) { return std::ranges::binary_search(fragments, rva); };
    for (Piece& piece : pieces_) {
        if (!is_fragment(piece.extent.begin)) continue;
        for (const CodeReferences::Branch& branch : references_.to(piece.extent)) {
            const Piece* from = piece_at(branch.from);
            const bool is_call = image_.all()[branch.from] == std::byte{0xe8};
            if (!from || is_call || from->primary == piece.primary || is_fragment(from->primary)) continue;
            piece.primary = from->primary;
            break;
        }
    }
}

const CodeFunctions::Piece* CodeFunctions::piece_at(std::uint32_t rva) const {
    auto found = std::ranges::upper_bound(pieces_, rva, {}, [](const Piece& p) { return p.extent.begin; });
    if (found == pieces_.begin()) return nullptr;
    --found;
    return found->extent.contains(rva) ? &*found : nullptr;
}

bool CodeFunctions::is_code(std::uint64_t rva) const {
    return std::ranges::any_of(code_, [&](const Extent& e) { return rva >= e.begin && rva < e.end; });
}

void CodeFunctions::find_begins(const pe::Image& headers, const pe::ExportTable& exports) {
    if (is_code(headers.entry_point)) certain_.push_back(headers.entry_point);
    for (const pe::Export& entry : exports.all())
        if (entry.rva != 0 && is_code(entry.rva)) certain_.push_back(entry.rva);
    add_called();
    if (pieces_.empty()) {
        add_by_looks();
    } else {
        // What the tables tell is certain, and that nothing else begins in the midst of it.
        std::erase_if(certain_, [&](std::uint32_t rva) { return piece_at(rva) != nullptr; });
        for (const Piece& piece : pieces_)
            if (piece.extent.contains(piece.primary)) keep(certain_, piece.primary);
    }
    for (auto* list : {&certain_, &likely_, &pointed_}) {
        std::ranges::sort(*list);
        list->erase(std::ranges::unique(*list).begin(), list->end());
    }
}

void CodeFunctions::add_called() {
    const Bytes all = image_.all();
    auto piece = pieces_.begin();
    std::optional<std::uint32_t> last;
    for (const CodeReferences::Branch& branch : references_.branches) {
        if (branch.target == last || all[branch.from] != std::byte{0xe8}) continue;
        last = branch.target;
        // With tables only leaves are looked for; what lies in a function is none.
        while (piece != pieces_.end() && piece->extent.end <= branch.target)
            ++piece;
        if (piece == pieces_.end() || branch.target < piece->extent.begin) keep(certain_, branch.target);
    }
}

/// Without tables: what begins as compilers begin a function, behind what ends one.
void CodeFunctions::add_by_looks() {
    const Bytes all = image_.all();
    for (const Extent& extent : code_) {
        add_padded(extent, likely_);
        if (machine_.pointer_size != 4) continue;
        for (std::uint32_t rva = extent.begin + 1; rva + 6 <= extent.end; ++rva) {
            const std::byte first = all[rva];
            if (first != std::byte{0x55} && first != std::byte{0x8b} && first != std::byte{0xff}) continue;
            const std::byte before = all[rva - 1];
            const Bytes here = all.subspan(rva, 6);
            const bool thunk = matches(here, {0xff, 0x25});
            if (!thunk && !looks_like_prolog(here)) continue;
            const bool after_ret = before == std::byte{0xc3} || (rva >= 3 && all[rva - 3] == std::byte{0xc2});
            const bool after_thunk = rva >= 6 && matches(all.subspan(rva - 6, 6), {0xff, 0x25});
            if (!is_filler(before) && !after_ret && !(thunk && after_thunk)) continue;
            keep(thunk ? likely_ : certain_, rva);
        }
    }
    if (machine_.pointer_size == 4) find_pointed();
}

void CodeFunctions::add_padded(Extent range, std::vector<std::uint32_t>& out) {
    const Bytes all = image_.all();
    keep(out, range.begin);
    for (std::uint32_t rva = range.begin + 1; rva < range.end; ++rva)
        if (all[rva - 1] == std::byte{0xcc} && all[rva] != std::byte{0xcc} && rva % 4 == 0) keep(out, rva);
}

void CodeFunctions::find_pointed() {
    if (code_.empty()) return;
    constexpr std::uint32_t alignment = 16;
    const Bytes all = image_.all();
    const std::uint32_t first = code_.front().begin, range = code_.back().end - first;
    auto take = [&](std::uint32_t rva) {
        if (!is_code(rva) || rva == 0) return;
        keep(pointed_, rva);
        if (rva % alignment == 0 || all[rva - 1] == std::byte{0xcc}) keep(likely_, rva);
    };
    constexpr std::uint32_t field = 4;
    auto scan = [&](std::uint32_t begin, std::size_t end, std::uint32_t step) {
        const std::byte* data = all.data();
        const auto base = static_cast<std::uint32_t>(base_);
        for (std::uint32_t at = begin; at + field <= end; at += step) {
            std::uint32_t value;
            std::memcpy(&value, data + at, field);
            // One comparison for the many that are no pointers to code.
            if (value - base - first < range) take(value - base);
        }
    };
    auto aligned = [](std::uint32_t rva) { return (rva + field - 1) / field * field; };
    std::uint32_t end = 0;
    for (const Extent& extent : code_) {
        // Data between the sections of code: pointers are aligned there, those in instructions are not.
        scan(aligned(end), extent.begin, field);
        scan(extent.begin, extent.end, 1);
        end = extent.end;
    }
    scan(aligned(end), all.size(), field);
}

std::uint32_t CodeFunctions::last_begin(std::uint32_t rva) const {
    auto section = std::ranges::find_if(code_, [&](const Extent& e) { return e.contains(rva); });
    if (section == code_.end()) return rva;
    auto after = std::ranges::upper_bound(certain_, rva);
    return after == certain_.begin() ? section->begin : std::max(section->begin, *std::prev(after));
}

std::uint32_t CodeFunctions::behind_padding(std::uint32_t rva, std::uint32_t end) {
    const std::uint32_t begin = rva;
    end = std::min(end, image_.size());
    while (rva < end) {
        if (is_filler(image_.all()[rva])) {
            ++rva;
            continue;
        }
        ++effort_;
        const auto step = decode_step(machine_, image_.from(rva, max_instruction_bytes), base_, rva, Detail::control);
        if (!step || !step->filler) break;
        rva = step->next();
    }
    effort_ += (rva - begin) / bytes_of_effort;
    return rva;
}

void CodeFunctions::add_near(std::span<const std::uint32_t> begins, Extent section, std::uint32_t rva, bool guessed,
                             std::vector<FunctionBounds>& out) {
    auto found = std::ranges::upper_bound(begins, rva);
    for (std::size_t count = 0; found != begins.begin() && count < max_candidates; ++count) {
        if (*--found < section.begin || rva - *found > max_distance) return;
        // Padding before the function is none of it.
        const std::uint32_t begin = behind_padding(*found, rva + 1);
        if (begin <= rva) out.push_back({begin, {section}, false, {}, guessed});
    }
}

void CodeFunctions::add_with_roots(Extent section, std::uint32_t rva, std::vector<FunctionBounds>& out) const {
    auto after = std::ranges::upper_bound(certain_, rva);
    if (after == certain_.begin() || *std::prev(after) < section.begin) return;
    const Extent range{*std::prev(after), after == certain_.end() ? section.end : std::min(section.end, *after)};
    FunctionBounds bounds{range.begin, {section}, false, {}, false};
    for (auto root = std::ranges::upper_bound(pointed_, range.begin); root != pointed_.end() && *root < range.end;
         ++root)
        bounds.roots.push_back(*root);
    if (!bounds.roots.empty()) out.push_back(std::move(bounds));
}

std::vector<FunctionBounds> CodeFunctions::holding(std::uint32_t rva) {
    std::vector<FunctionBounds> out;
    auto section = std::ranges::find_if(code_, [&](const Extent& e) { return e.contains(rva); });
    if (section == code_.end()) return out;
    if (const Piece* piece = piece_at(rva)) {
        FunctionBounds bounds{piece->primary, {}, true, {}, false};
        for (const Piece& part : std::ranges::equal_range(by_primary_, piece->primary, {}, &Piece::primary)) {
            bounds.extents.push_back(part.extent);
            if (bounds.extents.size() > FlowGraph::max_extents) break; // one more shows that it is cut
        }
        // One for all of them, or the same function would be looked at once for each.
        if (!piece_at(piece->primary)) bounds.entry = bounds.extents.front().begin;
        out.push_back(std::move(bounds));
        return out;
    }
    Extent around = *section;
    if (!pieces_.empty()) {
        // A leaf lies between two functions that the tables tell.
        auto next = std::ranges::upper_bound(pieces_, rva, {}, [](const Piece& p) { return p.extent.begin; });
        if (next != pieces_.end()) around.end = std::min(around.end, next->extent.begin);
        if (next != pieces_.begin()) around.begin = std::max(around.begin, std::prev(next)->extent.end);
    }
    add_near(certain_, around, rva, false, out);
    if (pieces_.empty()) {
        add_near(likely_, around, rva, true, out);
        add_with_roots(around, rva, out);
        return out;
    }
    if (around.end - around.begin > max_distance) return out;
    effort_ += (around.end - around.begin) / bytes_of_effort;
    std::vector<std::uint32_t> padded;
    add_padded(around, padded);
    add_near(padded, around, rva, true, out);
    return out;
}

} // namespace poolkd::code
