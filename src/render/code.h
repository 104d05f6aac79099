#pragma once

#include "base/coverage.h"
#include "code/function.h"
#include "code/listing.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace poolkd::render {

/// "fffff804`7e3c21b4 41b85a746120    mov     r8d,2061745Ah" without the newline; `note` goes behind the operands.
std::string instruction_row(const code::Instruction& instruction, std::string_view note = {});

/// `u` and `ub`: label lines and rows. Bytes that are no instruction are "???", unreadable ones "??" "???".
std::string listing_text(const code::Listing& listing);
nlohmann::json listing_json(const Answer<code::Listing>& answer);

/// `uf`: blocks with an empty line between them.
std::string function_text(const Answer<code::FunctionListing>& answer);
/// `uf /c`: only the calls.
std::string function_calls_text(const Answer<code::FunctionListing>& answer, const code::AddressNamer& name);
nlohmann::json function_json(const Answer<code::FunctionListing>& answer);

} // namespace poolkd::render
