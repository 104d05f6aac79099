#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

/// The name of a public symbol as kd shows it: C++ names without parameters ("Pool::Take"), C names without the
/// decoration of their calling convention ("_Name@12", "@Name@8" and "_Name" become "Name"). One leading underscore
/// goes on every machine: kd prints x64's `_guard_dispatch_icall` as nt!guard_dispatch_icall. A name that cannot be
/// taken apart comes back as it is.
std::string undecorate(std::string_view public_name);

/// Bytes of arguments that a function of 32-bit code takes from the stack and removes by itself, as its C name tells:
/// 12 of "_Name@12", 0 of "@Name@8" (the first eight travel in registers). Nothing for names that do not tell.
std::optional<std::uint16_t> stack_argument_bytes(std::string_view public_name);

/// A C++ name in Microsoft's ("?f@@YAXXZ") or Itanium's ("_Z1fv") mangling.
bool is_mangled(std::string_view public_name);

/// The linker's name for a string literal ("??_C@_07NFANNNEC@UNKNOWN@").
bool is_string_literal(std::string_view public_name);

/// Names that compilers give to data only: virtual tables, type descriptors, literals, import cells.
bool is_data_name(std::string_view public_name);

/// The names under which a linker may have stored a C symbol called `name`, the likeliest first.
/// `stdcall`: also those of x86's calling conventions, with up to 32 parameters.
std::vector<std::string> decorations(std::string_view name, bool stdcall);

/// The name of a type as tables keep it: "struct _LIST_ENTRY" becomes "_LIST_ENTRY".
std::string_view without_type_keyword(std::string_view type_name);

/// A hash that does not see the case of letters.
std::uint32_t hash_ignore_case(std::string_view text);

/// kd's string wildcards; in symbol patterns one leading `_` stands for any number of underscores.
class SymbolPattern {
  public:
    explicit SymbolPattern(std::string_view pattern);
    [[nodiscard]] bool matches(std::string_view name) const;

  private:
    bool any_underscores_;
    std::string pattern_;
    std::string prefix_; ///< what every match starts with
    std::string needle_; ///< lower case; what every match holds somewhere. Both save most of the matching
};

} // namespace poolkd::symbols
