#include "debugger/range.h"

#include "debugger/lexer.h"
#include "debugger/number.h"

namespace poolkd::debugger {

namespace {

std::size_t skip_separators(std::string_view text, std::size_t at) {
    while (at < text.size() && (is_blank(text[at]) || text[at] == ','))
        ++at;
    return at;
}

/// `L` begins a length unless it is the first letter of a name ("leak!Block" is an end address).
bool begins_length(std::string_view text, std::size_t at, unsigned radix) {
    if (at >= text.size() || (text[at] != 'L' && text[at] != 'l')) return false;
    std::size_t next = at + 1;
    if (next >= text.size() || !(is_word_character(text[next]) || text[next] == '!')) return true;
    std::size_t end = next;
    while (end < text.size() && (is_word_character(text[end]) || text[end] == '!' || text[end] == '`'))
        ++end;
    return read_number_word(text.substr(next, end - next), radix).kind != NumberWord::Kind::none;
}

std::unexpected<Error> range_error() {
    return fail(ErrorKind::refused, "Range error");
}

} // namespace

Result<AddressRange> parse_range_end(std::string_view text, std::size_t start, VirtAddr address, unsigned element_size,
                                     std::uint64_t default_count, ExpressionContext& context) {
    AddressRange range{.address = address, .count = default_count, .end = start};
    std::size_t at = skip_separators(text, start);
    if (at >= text.size() || text[at] == '"') return range;
    bool guarded = true;
    if (begins_length(text, at, context.radix())) {
        ++at;
        while (at < text.size() && is_blank(text[at]))
            ++at;
        bool before = false;
        for (; at < text.size() && (text[at] == '?' || text[at] == '-'); ++at) {
            if (text[at] == '?') guarded = false;
            if (text[at] == '-') before = true;
        }
        POOLKD_TRY(Evaluated count, evaluate(text, at, context));
        range.count = count.value;
        range.end = count.end;
        if (range.count > ~0ull / element_size) return range_error();
        if (before) range.address = address - range.bytes(element_size);
    } else {
        POOLKD_TRY(Evaluated last, evaluate(text, at, context));
        if (last.value < address.value) return range_error();
        if (last.value - address.value == ~0ull) return range_error(); // the whole space has no count in 64 bits
        range.by_end = true;
        range.end = last.end;
        range.count = (last.value - address.value) / element_size + 1;
    }
    range.explicit_count = true;
    if (guarded && range.count > range_guard_bytes / element_size) return range_error();
    return range;
}

Result<AddressRange> parse_range(std::string_view text, std::size_t start, unsigned element_size,
                                 std::uint64_t default_count, ExpressionContext& context) {
    POOLKD_TRY(Evaluated address, evaluate(text, skip_separators(text, start), context));
    return parse_range_end(text, address.end, VirtAddr(address.value), element_size, default_count, context);
}

} // namespace poolkd::debugger
