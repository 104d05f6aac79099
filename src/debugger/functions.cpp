#include "debugger/functions.h"

#include "base/text.h"

#include <algorithm>
#include <compare>

namespace poolkd::debugger {

namespace {

using Values = std::vector<FunctionArgument>;

std::uint64_t as_value(std::strong_ordering order) {
    return order < 0 ? ~0ull : order > 0 ? 1 : 0; // -1, 0, 1, as the C library's comparison
}

/// The entry point of the image at `base`, from its own headers.
Result<std::uint64_t> image_entry(std::uint64_t base, ExpressionContext& context) {
    POOLKD_TRY(std::uint64_t header, context.read(VirtAddr(base) + 0x3c, 4));
    POOLKD_TRY(std::uint64_t entry, context.read(VirtAddr(base) + header + 0x28, 4));
    return base + entry;
}

/// 1 when every page of the range can be read. Bounded, because a length comes from the user.
Result<std::uint64_t> valid_range(std::uint64_t base, std::uint64_t length, ExpressionContext& context) {
    constexpr std::uint64_t page = 4096;
    constexpr std::uint64_t longest = 256ull << 20;
    if (length == 0 || length > longest) return fail(ErrorKind::usage, "Range error");
    for (std::uint64_t done = 0; done < length; done += page - (base + done) % page) {
        auto read = context.read(VirtAddr(base + done), 1);
        if (read) continue;
        if (read.error().kind == ErrorKind::unreadable) return 0;
        return read;
    }
    return 1;
}

struct Function {
    std::string_view name;
    std::size_t arguments;
    Result<std::uint64_t> (*call)(const Values&, ExpressionContext&);
};

constexpr Function functions[] = {
    {"$iment", 1, [](const Values& a, ExpressionContext& c) { return image_entry(a[0].value, c); }},
    {"$scmp", 2,
     [](const Values& a, ExpressionContext&) -> Result<std::uint64_t> { return as_value(a[0].text <=> a[1].text); }},
    {"$sicmp", 2,
     [](const Values& a, ExpressionContext&) -> Result<std::uint64_t> {
         return as_value(to_lower(a[0].text) <=> to_lower(a[1].text));
     }},
    {"$spat", 2,
     [](const Values& a, ExpressionContext&) -> Result<std::uint64_t> {
         return std::uint64_t{wildcard_match(a[1].text, a[0].text)};
     }},
    {"$vvalid", 2, [](const Values& a, ExpressionContext& c) { return valid_range(a[0].value, a[1].value, c); }},
};

const Function* find_function(std::string_view name) {
    auto found = std::ranges::find_if(functions, [&](const Function& f) { return equals_ignore_case(f.name, name); });
    return found == std::end(functions) ? nullptr : found;
}

} // namespace

bool is_function(std::string_view name) {
    return find_function(name) != nullptr;
}

Result<std::uint64_t> call_function(std::string_view name, const Values& arguments, ExpressionContext& context) {
    const Function* function = find_function(name);
    if (!function || arguments.size() != function->arguments) return fail(ErrorKind::usage, "Syntax error");
    auto value = function->call(arguments, context);
    if (!value && value.error().kind == ErrorKind::unreadable) return fail(ErrorKind::usage, "Memory access error");
    return value;
}

} // namespace poolkd::debugger
