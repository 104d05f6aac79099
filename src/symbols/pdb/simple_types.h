#pragma once

#include "symbols/type.h"

#include <cstdint>
#include <string>

namespace poolkd::symbols {

/// The types that have a number below 0x1000 instead of a record: integers, characters, pointers to them.
/// `index` 0 and unknown numbers give a type of kind `none` named "<no type>" or "<unknown type ...>".
Type simple_type(std::uint32_t index);

/// The C name of a type, as kd prints it for what functions return ("unsigned char", "_KTHREAD*").
std::string c_name(const Type& type);

} // namespace poolkd::symbols
